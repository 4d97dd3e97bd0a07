/**
 * Maps the fields of one case, named as its cited source names them, to the functions that the service uses. `got` has
 * at least the keys of the case's `expected`. An adapter renames and picks; the mathematics live in src/analysis.
 */
// biome-ignore lint/suspicious/noExplicitAny: a vector's inputs are foreign data whose shape each adapter knows.
export type Adapter = (inputs: any, vector: Vector) => Got

export type Got = Readonly<Record<string, unknown>>

/** Adapters by category. */
export type Adapters = Readonly<Record<string, Adapter>>

/** One case of a vector file. `tolerance` is absolute and holds for each number in `expected`. */
export interface Vector {
  readonly id: string
  readonly category: string
  readonly inputs: Readonly<Record<string, unknown>>
  readonly expected: Readonly<Record<string, unknown>>
  readonly tolerance: number
}
