import type { AnyRow } from './projection.ts'

/**
 * Rows as the table holds them, the most lately used ones. It may be trusted because the checkpoint is moved by compare-and-set: had
 * anybody else written to the table, the next write would fail and the cache be thrown away.
 */
export class RowCache {
  readonly #limit: number
  #young = new Map<string, AnyRow | null>()
  #old = new Map<string, AnyRow | null>()
  /** Whether it holds every row there is, so that one it does not hold does not exist. */
  #complete: boolean

  constructor(limit: number, complete: boolean) {
    this.#limit = limit
    this.#complete = complete
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
    return this.#complete ? null : undefined
  }

  set(key: string, row: AnyRow | null): void {
    this.#young.set(key, row)
    if (this.#young.size < this.#limit) return
    if (this.#old.size > 0) this.#complete = false
    this.#old = this.#young
    this.#young = new Map()
  }
}
