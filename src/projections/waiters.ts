import { comparePositions, type Position } from '../domain/position.ts'

export type Caught =
  | { readonly ok: true }
  /** `behind` is how far `at` is from where it should be. */
  | { readonly ok: false; readonly behind: Position; readonly at: Position }

interface Waiter {
  readonly family: string
  readonly position: Position
  readonly done: (caught: Caught) => void
}

/** Who waits for a read model to reach a position, and how far each has come as this process knows. */
export class Waiters {
  readonly #positions = new Map<string, Position>()
  readonly #waiting = new Set<Waiter>()

  get count(): number {
    return this.#waiting.size
  }

  /** Those that anybody waits for. */
  get families(): string[] {
    return [...new Set([...this.#waiting].map(({ family }) => family))]
  }

  position(family: string): Position {
    return this.#positions.get(family) ?? '0'
  }

  /** Mostly further on; a database that lost its last moments may be further back. */
  reached(family: string, position: Position): void {
    this.#positions.set(family, position)
    for (const waiter of this.#waiting)
      if (waiter.family === family && comparePositions(waiter.position, position) <= 0)
        waiter.done({ ok: true })
  }

  wait(family: string, position: Position, timeoutMs: number): Promise<Caught> {
    if (comparePositions(position, this.position(family)) <= 0) return Promise.resolve({ ok: true })
    return new Promise((resolve) => {
      const done = (caught: Caught) => {
        clearTimeout(timer)
        this.#waiting.delete(waiter)
        resolve(caught)
      }
      const waiter = { family, position, done }
      const timer = setTimeout(() => {
        const at = this.position(family)
        done({ ok: false, behind: (BigInt(position) - BigInt(at)).toString(), at })
      }, timeoutMs)
      this.#waiting.add(waiter)
    })
  }

  /** Answers everybody as if their time had run out. */
  close(): void {
    for (const { family, position, done } of this.#waiting) {
      const at = this.position(family)
      done({ ok: false, behind: (BigInt(position) - BigInt(at)).toString(), at })
    }
  }
}
