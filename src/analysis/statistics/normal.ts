import erfc from '@stdlib/math-base-special-erfc'
import erfcinv from '@stdlib/math-base-special-erfcinv'

/** The standard normal. Tails come from erfc itself, so that a p-value of 1e-200 is not rounded to 0. */

/** P(Z ≤ z). */
export const normalBelow = (z: number): number => 0.5 * erfc(-z / Math.SQRT2)

/** P(Z > z). */
export const normalAbove = (z: number): number => 0.5 * erfc(z / Math.SQRT2)

/** P(|Z| ≥ |z|), the two-sided p-value of z. */
export const normalTwoSided = (z: number): number => erfc(Math.abs(z) / Math.SQRT2)

export const normalDensity = (z: number): number => Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)

/** The z that a standard normal stays below with probability `p`. */
export const normalQuantile = (p: number): number =>
  p < 0.5 ? -Math.SQRT2 * erfcinv(2 * p) : Math.SQRT2 * erfcinv(2 * (1 - p))

/** The z that |Z| passes with probability `alpha`: 1.959963984540054 for 0.05. */
export const twoSidedCritical = (alpha: number): number => Math.SQRT2 * erfcinv(alpha)
