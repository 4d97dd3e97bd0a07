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
  /** The rows that there have been, where the table was empty at first. */
  readonly #begun: KeyFilter | undefined

  constructor(limit: number, empty: boolean) {
    this.#limit = limit
    this.#begun = empty ? new KeyFilter() : undefined
  }

  /** Whether the row is known to have never been, whatever else is asked. */
  isNew(key: string): boolean {
    return this.#begun !== undefined && !this.#begun.mayHold(key)
  }

  /** From now on there is such a row. */
  begin(key: string): void {
    this.#begun?.add(key)
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
    return undefined
  }

  set(key: string, row: AnyRow | null): void {
    this.#young.set(key, row)
    if (this.#young.size < this.#limit) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
