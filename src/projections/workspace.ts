import type { RecordedEvent } from '../domain/envelope.ts'
import { entryOf } from './entry.ts'
import type { Family } from './family.ts'
import { foldEvents, keyText, type ParkedEvent, type RowLookup } from './fold.ts'
import type { AnyProjection, AnyRow, RowKey, Tally } from './projection.ts'
import { RowCache } from './rowCache.ts'
import { type TallyDelta, tallyDeltas } from './tallies.ts'

/** A row that folding changed, beside what the table holds. */
export interface ChangedRow {
  readonly key: RowKey
  readonly before: AnyRow | null
  row: AnyRow | null
}

/** Everything that one transaction writes for a family. */
export interface Changes {
  readonly rows: ReadonlyMap<AnyProjection, readonly ChangedRow[]>
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
  readonly #caches: ReadonlyMap<AnyProjection, RowCache>
  #changed = new Map<AnyProjection, Map<string, ChangedRow>>()
  #writing = new Map<AnyProjection, Map<string, ChangedRow>>()
  /** Loaded for the events that are being folded. */
  readonly #loaded = new Map<AnyProjection, Map<string, AnyRow | null>>()
  #parked: ParkedEvent[] = []
  readonly #lookup: RowLookup = { get: (member, key) => this.#known(member, key) }

  constructor({ family, load, parkedKeys, cacheRows, empty }: WorkspaceOptions) {
    this.#family = family
    this.#load = load
    this.#parkedKeys = new Set(parkedKeys)
    this.#caches = new Map(family.members.map((member) => [member, new RowCache(cacheRows, empty)]))
  }

  /** Rows changed and not taken yet. */
  get size(): number {
    let size = this.#parked.length
    for (const rows of this.#changed.values()) size += rows.size
    return size
  }

  /** Folds events that follow those given before. */
  async apply(events: readonly RecordedEvent[]): Promise<void> {
    for (;;) {
      const result = foldEvents(this.#family, events, this.#lookup, this.#parkedKeys)
      if (!('missing' in result)) {
        for (const [member, rows] of result.changed) this.#keep(member, rows)
        for (const parked of result.parked) {
          this.#parked.push(parked)
          this.#parkedKeys.add(parked.key)
        }
        for (const [member, rows] of this.#loaded)
          for (const [key, row] of rows) this.#caches.get(member)!.set(key, row)
        this.#loaded.clear()
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
    const changed = this.#changed
    const parked = this.#parked
    this.#writing = changed
    this.#changed = new Map()
    this.#parked = []
    return {
      rows: new Map([...changed].map(([member, rows]) => [member, [...rows.values()]])),
      tallies: [...changed].flatMap(([member, rows]) =>
        (member.tallies ?? []).map((tally) => ({ tally, deltas: tallyDeltas(tally, rows.values()) })),
      ),
      parked,
    }
  }

  /** What was taken is stored. */
  stored(): void {
    for (const [member, rows] of this.#writing) {
      const cache = this.#caches.get(member)!
      for (const [key, { row }] of rows) cache.set(key, row)
    }
    this.#writing = new Map()
  }

  #known(member: AnyProjection, key: string): AnyRow | null | undefined {
    const changed = this.#changed.get(member)?.get(key)
    if (changed !== undefined) return changed.row
    const writing = this.#writing.size > 0 ? this.#writing.get(member)?.get(key) : undefined
    if (writing !== undefined) return writing.row
    const loaded = this.#loaded.size > 0 ? this.#loaded.get(member)?.get(key) : undefined
    return loaded !== undefined ? loaded : this.#caches.get(member)!.get(key)
  }

  #keep(member: AnyProjection, rows: ReadonlyMap<string, { key: RowKey; row: AnyRow | null }>): void {
    if (rows.size === 0) return
    const changed = entryOf(this.#changed, member, () => new Map<string, ChangedRow>())
    for (const [text, { key, row }] of rows) {
      const known = changed.get(text)
      if (known) known.row = row
      else changed.set(text, { key, before: this.#known(member, text) ?? null, row })
    }
  }

  async #fetch(member: AnyProjection, keys: readonly RowKey[]): Promise<void> {
    const found = await this.#load(member, keys)
    const loaded = entryOf(this.#loaded, member, () => new Map<string, AnyRow | null>())
    for (const key of keys) loaded.set(keyText(key), found.get(keyText(key)) ?? null)
  }
}
