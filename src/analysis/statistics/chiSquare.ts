import gammainc from '@stdlib/math-base-special-gammainc'

export interface ChiSquareTest {
  readonly chiSquared: number
  readonly df: number
  /** Upper tail; NaN when there is nothing to test. */
  readonly p: number
}

/** P(X > x) of the chi-square distribution, by the upper incomplete gamma function: 1e-149 stays 1e-149. */
export function chiSquareAbove(x: number, df: number): number {
  if (!(df > 0) || Number.isNaN(x)) return Number.NaN
  return x <= 0 ? 1 : gammainc(x / 2, df / 2, true, true)
}

/** Pearson's test of a table of counts, rows × columns, against independence. Rows and columns of zeros do not count. */
export function contingencyTest(table: readonly (readonly number[])[]): ChiSquareTest {
  const columns = table[0]?.map((_, column) => sum(table.map((row) => row[column] ?? 0))) ?? []
  const total = sum(columns)
  let chiSquared = 0
  for (const row of table) {
    const rowTotal = sum(row)
    for (const [column, observed] of row.entries()) {
      const expected = (rowTotal * columns[column]!) / total
      if (expected > 0) chiSquared += (observed - expected) ** 2 / expected
    }
  }
  const rowsUsed = table.filter((row) => sum(row) > 0).length
  const df = (rowsUsed - 1) * (columns.filter((column) => column > 0).length - 1)
  return df > 0
    ? { chiSquared, df, p: chiSquareAbove(chiSquared, df) }
    : { chiSquared: 0, df: 0, p: Number.NaN }
}

/** Do several arms convert alike? `x` of `n` each (Fleiss 1981, p. 139). */
export const multiArmTest = (arms: readonly { readonly x: number; readonly n: number }[]): ChiSquareTest =>
  contingencyTest(arms.map(({ x, n }) => [x, n - x]))

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
