/**
 * From one live transaction's start to the next it takes at least so many times as long as the last one took: where the database has
 * much to do, more is gathered for each, and rows that change often are written less often. Not past what a reader should have to wait.
 */
const REST = 2
const MOST_REST_MS = 40

/** While there is much to catch up on, what was folded is stored at least this often. */
const CATCH_UP_MS = 1000

/** Says when what was folded is to be stored. */
export class Pace {
  readonly #linger: number
  #begunAt = performance.now()
  #rest = 0
  #hurried = false

  /** `linger`: milliseconds from one transaction's start to the next while live, unless somebody waits. */
  constructor(linger: number) {
    this.#linger = linger
  }

  /** Somebody waits for what is not stored yet. */
  hurry(): void {
    this.#hurried = true
  }

  /** Milliseconds until the next transaction should begin; none left when it is not above 0. */
  wait(live: boolean): number {
    const pause = this.#hurried ? 0 : live ? Math.max(this.#linger, this.#rest) : CATCH_UP_MS
    return this.#begunAt + pause - performance.now()
  }

  /** A transaction begins. Answers what to call when it is done. */
  begin(): () => void {
    const begunAt = performance.now()
    this.#begunAt = begunAt
    this.#hurried = false
    return () => {
      this.#rest = Math.min(REST * (performance.now() - begunAt), MOST_REST_MS)
    }
  }
}
