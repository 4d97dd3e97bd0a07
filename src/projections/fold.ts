import type { RecordedEvent } from '../domain/envelope.ts'
import { entryOf } from './entry.ts'
import type { Family } from './family.ts'
import type { AnyProjection, AnyRow, RowKey } from './projection.ts'

/** The rows as far as they are known: null is known to have no row, undefined is not known. */
export interface RowLookup {
  get(member: AnyProjection, keyText: string): AnyRow | null | undefined
}

/** A row that folding changed, and as it was before these events; null for none. */
export interface FoldedRow {
  readonly key: RowKey
  readonly before: AnyRow | null
  row: AnyRow | null
}

/** An event whose key is parked, or that parks it: then with what was thrown. */
export interface ParkedEvent {
  /** See `parkKeyOf`. */
  readonly key: string
  readonly event: RecordedEvent
  readonly error: string | null
}

export type FoldResult =
  /** Rows that must be known before these events can be folded. */
  | { readonly missing: ReadonlyMap<AnyProjection, readonly RowKey[]> }
  | {
      readonly changed: ReadonlyMap<AnyProjection, ReadonlyMap<string, FoldedRow>>
      readonly parked: readonly ParkedEvent[]
    }

export function keyText(key: RowKey): string {
  let text = String(key[0])
  for (let part = 1; part < key.length; part++) text += `\u0000${key[part]}`
  return text
}

/** What later events queue behind when one cannot be applied: the root's key, or the stream of an event that has none. */
export function parkKeyOf(key: RowKey): string {
  return JSON.stringify(key)
}

/**
 * Folds events, in the order of the log, into the rows of a family. Pure: neither the rows given nor anything else is changed. An event
 * that a fold throws on changes no row of the family: it is parked, and later events of its key queue behind it, while
 * everything else goes on.
 */
export function foldEvents(
  family: Family,
  events: readonly RecordedEvent[],
  rows: RowLookup,
  parkedKeys: ReadonlySet<string>,
): FoldResult {
  /** Keys that these events park, from which event (by its place) on, and why. */
  const failures = new Map<string, { readonly from: number; readonly error: string }>()
  for (;;) {
    const pass = new Pass(family, rows, parkedKeys, failures)
    pass.run(events)
    if (pass.missing.size > 0) return { missing: pass.missing }
    // A child that fails takes back what its event did to the root: once more, without that event.
    if (!pass.failed) return { changed: pass.changed, parked: pass.parked }
  }
}

class Pass {
  readonly missing = new Map<AnyProjection, RowKey[]>()
  readonly changed = new Map<AnyProjection, Map<string, FoldedRow>>()
  readonly parked: ParkedEvent[] = []
  failed = false
  #lastKey: RowKey = []
  #lastText = ''
  readonly #family: Family
  readonly #rows: RowLookup
  readonly #parkedKeys: ReadonlySet<string>
  readonly #failures: Map<string, { readonly from: number; readonly error: string }>
  readonly #asked = new Map<AnyProjection, Set<string>>()
  readonly #dispatch: Dispatch

  constructor(
    family: Family,
    rows: RowLookup,
    parkedKeys: ReadonlySet<string>,
    failures: Map<string, { readonly from: number; readonly error: string }>,
  ) {
    this.#family = family
    this.#rows = rows
    this.#parkedKeys = parkedKeys
    this.#failures = failures
    this.#dispatch = dispatchOf(family)
    for (const member of family.members) this.changed.set(member, new Map())
  }

  run(events: readonly RecordedEvent[]): void {
    const { root, types } = this.#family
    /** Root keys whose row is not known: nothing of theirs can be folded in this pass. */
    const unknown = new Set<string>()
    for (let place = 0; place < events.length; place++) {
      const event = events[place]!
      if (!types.has(event.type)) continue
      const streamKey = this.#parkedKeys.size + this.#failures.size > 0 ? parkKeyOf([event.stream]) : ''
      if (streamKey !== '' && this.#queues(streamKey, event, place)) continue
      let key: RowKey | null
      try {
        key = root.key(event, undefined)
      } catch (error) {
        this.#fail(parkKeyOf([event.stream]), place, error)
        continue
      }
      if (key === null) continue
      if (streamKey !== '' && this.#queues(parkKeyOf(key), event, place)) continue
      const text = this.#rootText(key)
      if (unknown.has(text)) continue
      const before = this.#row(root, key, text)
      if (before === undefined) {
        unknown.add(text)
        continue
      }
      try {
        this.#apply(event, key, text, before, this.#dispatch.root.has(event.type))
      } catch (error) {
        this.#fail(parkKeyOf(key), place, error)
      }
    }
  }

  /** Events that follow each other are often of one key. */
  #rootText(key: RowKey): string {
    const last = this.#lastKey
    let same = key.length === last.length
    for (let part = 0; same && part < key.length; part++) same = key[part] === last[part]
    if (same) return this.#lastText
    this.#lastKey = key
    this.#lastText = keyText(key)
    return this.#lastText
  }

  /** The children first: they look at the root's row as it was, and may throw. */
  #apply(event: RecordedEvent, key: RowKey, text: string, before: AnyRow | null, ofRoot: boolean): void {
    const { root } = this.#family
    const after = ofRoot ? root.evolve(before ?? undefined, event, undefined) : before
    for (const child of this.#dispatch.children.get(event.type) ?? NONE) {
      const childKey = child.key(event, before ?? undefined)
      if (childKey === null) continue
      const childText = keyText(childKey)
      const childBefore = this.#row(child, childKey, childText)
      if (childBefore === undefined) continue
      const childAfter = child.evolve(childBefore ?? undefined, event, before ?? undefined)
      if (childAfter !== childBefore) this.#change(child, childKey, childText, childBefore, childAfter)
    }
    if (after !== before) this.#change(root, key, text, before, after)
  }

  #change(member: AnyProjection, key: RowKey, text: string, before: AnyRow | null, row: AnyRow | null): void {
    const changed = this.changed.get(member)!
    const known = changed.get(text)
    if (known) known.row = row
    else changed.set(text, { key, before, row })
  }

  #row(member: AnyProjection, key: RowKey, text: string): AnyRow | null | undefined {
    const folded = this.changed.get(member)!.get(text)
    if (folded) return folded.row
    const known = this.#rows.get(member, text)
    if (known === undefined) {
      const asked = entryOf(this.#asked, member, () => new Set<string>())
      if (!asked.has(text)) {
        asked.add(text)
        entryOf(this.missing, member, () => []).push(key)
      }
    }
    return known
  }

  #queues(key: string, event: RecordedEvent, place: number): boolean {
    const failure = this.#failures.get(key)
    if (failure && place >= failure.from) {
      this.parked.push({ key, event, error: place === failure.from ? failure.error : null })
      return true
    }
    if (!this.#parkedKeys.has(key)) return false
    this.parked.push({ key, event, error: null })
    return true
  }

  #fail(key: string, place: number, error: unknown): void {
    this.failed = true
    const known = this.#failures.get(key)
    if (known && known.from <= place) return
    this.#failures.set(key, { from: place, error: error instanceof Error ? error.message : String(error) })
  }
}

const NONE: readonly AnyProjection[] = []

/** Looked up for every event: made once. */
interface Dispatch {
  readonly root: ReadonlySet<string>
  readonly children: ReadonlyMap<string, readonly AnyProjection[]>
}

const dispatches = new WeakMap<Family, Dispatch>()

function dispatchOf(family: Family): Dispatch {
  const known = dispatches.get(family)
  if (known) return known
  const dispatch = {
    root: new Set<string>(family.root.types),
    children: new Map(
      [...family.types].map((type) => [type, family.children.filter(({ types }) => types.includes(type))]),
    ),
  }
  dispatches.set(family, dispatch)
  return dispatch
}
