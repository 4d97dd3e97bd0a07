/** Mean and standard deviation (ddof 0) of each column, as the training rows had them. */
export interface Scaling {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

export function scalingOf(columns: readonly ArrayLike<number>[]): Scaling {
  const mean = columns.map((column) => average(column, (value) => value))
  const deviation = columns.map((column, i) => {
    const spread = Math.sqrt(average(column, (value) => (value - mean[i]!) ** 2))
    // What rounding leaves of a constant column is not spread.
    return spread > 1e-12 * Math.abs(mean[i]!) ? spread : 0
  })
  return { mean, deviation }
}

export const standardise = (
  columns: readonly ArrayLike<number>[],
  { mean, deviation }: Scaling,
): Float64Array[] =>
  columns.map((column, i) => Float64Array.from(column, (value) => (value - mean[i]!) / deviation[i]!))

function average(column: ArrayLike<number>, of: (value: number) => number): number {
  let total = 0
  for (let row = 0; row < column.length; row++) total += of(column[row]!)
  return total / column.length
}
