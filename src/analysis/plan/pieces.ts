import { sharedInt32 } from '../columns/growable.ts'

/**
 * The units of a plan in equal pieces, which threads take one after another until there is none left: whichever is held up takes fewer
 * (morsel-driven parallelism; Leis, Boncz, Kemper and Neumann, SIGMOD 2014). Threads share it.
 */
export interface Pieces {
  readonly of: number
  /** How many are taken, in its only place. */
  readonly taken: Int32Array
}

export const piecesOf = (of: number): Pieces => ({ of, taken: sharedInt32(1) })

/** Takes pieces until there is none left, each as the slots of a run of so many: from, to. */
export function* take({ of, taken }: Pieces): Generator<(slots: number) => readonly [number, number]> {
  for (;;) {
    const index = Atomics.add(taken, 0, 1)
    if (index >= of) return
    yield (slots) => [Math.floor((slots * index) / of), Math.floor((slots * (index + 1)) / of)]
  }
}
