import { KeyFilter } from './keyFilter.ts'
import type { AnyRow } from './projection.ts'

/**
 * Rows as the table holds them, the most lately used ones. It may be trusted because the checkpoint is moved by compare-and-set: had
 * anybody else written to the table, the next write would fail and the cache be thrown away.
 */
export class RowCache {
  readonly #limit: number
  #young = new Map<string, AnyRow | null>()
  #old = new Map<string, AnyRow | null>()
  /** The rows that there are beside those in the cache, where the table was empty at first. */
  readonly #gone: KeyFilter | undefined

  constructor(limit: number, empty: boolean) {
    this.#limit = limit
    this.#gone = empty ? new KeyFilter() : undefined
  }

  /** Null for a row known not to exist, undefined for one not known. */
  get(key: string): AnyRow | null | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) {
      this.#young.set(key, old)
      return old
    }
    return this.#gone && !this.#gone.mayHold(key) ? null : undefined
  }

  set(key: string, row: AnyRow | null): void {
    this.#young.set(key, row)
    if (this.#young.size < this.#limit) return
    if (this.#gone) for (const [gone, left] of this.#old) if (left !== null) this.#gone.add(gone)
    this.#old = this.#young
    this.#young = new Map()
  }
}
