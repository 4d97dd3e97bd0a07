/** Symmetric positive definite systems, rows of plain arrays: models here have tens of columns at most. */
export type Matrix = readonly (readonly number[])[]

/**
 * The lower factor L of A = L·Lᵀ, or the column that (nearly) is a combination of those before it: its pivot fell
 * below 1e-10 of its diagonal.
 */
export function cholesky(a: Matrix): { readonly factor: number[][] } | { readonly dependent: number } {
  const factor = a.map((row) => row.map(() => 0))
  for (let j = 0; j < a.length; j++) {
    for (let i = j; i < a.length; i++) {
      let value = a[i]![j]!
      for (let k = 0; k < j; k++) value -= factor[i]![k]! * factor[j]![k]!
      if (i === j) {
        if (!(value > 1e-10 * a[j]![j]!)) return { dependent: j }
        factor[j]![j] = Math.sqrt(value)
      } else factor[i]![j] = value / factor[j]![j]!
    }
  }
  return { factor }
}

/** x of A·x = b, from A's factor. */
export function solveWith(factor: Matrix, b: readonly number[]): number[] {
  const x = [...b]
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i]! -= factor[i]![k]! * x[k]!
    x[i]! /= factor[i]![i]!
  }
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i]! -= factor[k]![i]! * x[k]!
    x[i]! /= factor[i]![i]!
  }
  return x
}

/** A⁻¹, from A's factor. */
export const inverseFrom = (factor: Matrix): number[][] =>
  factor.map((_, column) =>
    solveWith(
      factor,
      factor.map((__, row) => (row === column ? 1 : 0)),
    ),
  )
