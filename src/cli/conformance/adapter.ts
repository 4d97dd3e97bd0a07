/**
 * Maps the fields of one case, named as its cited source names them, to the functions that the service uses. What it
 * gives has the shape of the case's `expected`: a number, a list, or an object with at least its keys. An adapter renames and picks; the mathematics live in src/analysis.
 */
// biome-ignore lint/suspicious/noExplicitAny: a vector's inputs are foreign data whose shape each adapter knows.
export type Adapter = (inputs: any, vector: Vector) => unknown

/** Adapters by category. */
export type Adapters = Readonly<Record<string, Adapter>>

/** One case of a vector file. `tolerance` is absolute and holds for each number in `expected`. */
export interface Vector {
  readonly id: string
  readonly category: string
  readonly inputs: Readonly<Record<string, unknown>>
  readonly expected: unknown
  readonly tolerance: number
}
