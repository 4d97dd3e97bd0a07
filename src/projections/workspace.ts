import type { RecordedEvent } from '../domain/envelope.ts'
import type { Family } from './family.ts'
import { type FoldedRow, foldEvents, keyText, type ParkedEvent, type RowLookup } from './fold.ts'
import type { AnyProjection, AnyRow, RowKey, Tally } from './projection.ts'
import { RowCache } from './rowCache.ts'
import { type TallyDelta, tallyDeltas } from './tallies.ts'

/** Everything that one transaction writes for a family. */
export interface Changes {
  /** Beside what the tables hold. */
  readonly rows: ReadonlyMap<AnyProjection, readonly FoldedRow[]>
  readonly tallies: readonly { readonly tally: Tally<object>; readonly deltas: readonly TallyDelta[] }[]
  readonly parked: readonly ParkedEvent[]
}

/** Rows by their keys, in any order; those that do not exist are left out. */
export type LoadRows = (member: AnyProjection, keys: readonly RowKey[]) => Promise<Map<string, AnyRow>>

export interface WorkspaceOptions {
  readonly family: Family
  readonly load: LoadRows
  readonly parkedKeys: Iterable<string>
  /** Rows kept of each member, about. */
  readonly cacheRows: number
  /** Whether the tables are known to be empty. */
  readonly empty: boolean
}

/**
 * Folds a family's events in memory ahead of what is stored: changes gather until they are taken to be written, and folding goes on
 * while they are. When a write fails, the workspace is worth nothing any more.
 */
export class Workspace {
  readonly #family: Family
  readonly #load: LoadRows
  readonly #parkedKeys: Set<string>
  readonly #members: ReadonlyMap<AnyProjection, MemberRows>
  #parked: ParkedEvent[] = []
  readonly #lookup: RowLookup = { get: (member, key) => this.#members.get(member)!.get(key) }

  constructor({ family, load, parkedKeys, cacheRows, empty }: WorkspaceOptions) {
    this.#family = family
    this.#load = load
    this.#parkedKeys = new Set(parkedKeys)
    this.#members = new Map(family.members.map((member) => [member, new MemberRows(cacheRows, empty)]))
  }

  /** Rows changed and not taken yet. */
  get size(): number {
    let size = this.#parked.length
    for (const { changed } of this.#members.values()) size += changed.size
    return size
  }

  /** Folds events that follow those given before. */
  async apply(events: readonly RecordedEvent[]): Promise<void> {
    for (;;) {
      const result = foldEvents(this.#family, events, this.#lookup, this.#parkedKeys)
      if (!('missing' in result)) {
        for (const [member, rows] of result.changed) this.#members.get(member)!.keep(rows)
        for (const parked of result.parked) {
          this.#parked.push(parked)
          this.#parkedKeys.add(parked.key)
        }
        for (const rows of this.#members.values()) rows.folded()
        return
      }
      for (const [member, keys] of result.missing) await this.#fetch(member, keys)
    }
  }

  /** Parks events without folding them: what they would change cannot be stored. */
  park(event: RecordedEvent, key: string, error: string): void {
    this.#parked.push({ key, event, error })
    this.#parkedKeys.add(key)
  }

  /** What is to be written now. Ask again only after `stored`. */
  take(): Changes {
    const parked = this.#parked
    this.#parked = []
    const rows = new Map<AnyProjection, readonly FoldedRow[]>()
    for (const [member, known] of this.#members) if (known.changed.size > 0) rows.set(member, known.take())
    return {
      rows,
      tallies: [...rows].flatMap(([member, changed]) =>
        (member.tallies ?? []).map((tally) => ({ tally, deltas: tallyDeltas(tally, changed) })),
      ),
      parked,
    }
  }

  /** What was taken is stored. */
  stored(): void {
    for (const rows of this.#members.values()) rows.stored()
  }

  async #fetch(member: AnyProjection, keys: readonly RowKey[]): Promise<void> {
    const found = await this.#load(member, keys)
    const { loaded } = this.#members.get(member)!
    for (const key of keys) loaded.set(keyText(key), found.get(keyText(key)) ?? null)
  }
}

/** The rows of one projection as far as they are known. */
class MemberRows {
  changed = new Map<string, FoldedRow>()
  /** For the events that are being folded. */
  readonly loaded = new Map<string, AnyRow | null>()
  #writing: ReadonlyMap<string, FoldedRow> = new Map()
  readonly #cache: RowCache

  constructor(cacheRows: number, empty: boolean) {
    this.#cache = new RowCache(cacheRows, empty)
  }

  /** Null for a row known not to exist, undefined for one not known. */
  get(key: string): AnyRow | null | undefined {
    if (this.#cache.isNew(key)) return null
    const changed = this.changed.get(key)
    if (changed !== undefined) return changed.row
    const writing = this.#writing.size > 0 ? this.#writing.get(key) : undefined
    if (writing !== undefined) return writing.row
    const loaded = this.loaded.size > 0 ? this.loaded.get(key) : undefined
    return loaded !== undefined ? loaded : this.#cache.get(key)
  }

  /** Takes over what was folded. */
  keep(rows: ReadonlyMap<string, FoldedRow>): void {
    for (const [text, folded] of rows) {
      const known = this.changed.get(text)
      if (known) known.row = folded.row
      else {
        this.changed.set(text, folded)
        if (folded.before === null) this.#cache.begin(text)
      }
    }
  }

  /** What was loaded for the events folded last may be wanted again. */
  folded(): void {
    if (this.loaded.size === 0) return
    for (const [key, row] of this.loaded) this.#cache.set(key, row)
    this.loaded.clear()
  }

  take(): readonly FoldedRow[] {
    this.#writing = this.changed
    this.changed = new Map()
    return [...this.#writing.values()]
  }

  stored(): void {
    for (const [key, { row }] of this.#writing) this.#cache.set(key, row)
    this.#writing = new Map()
  }
}
