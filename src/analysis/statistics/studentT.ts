import betainc from '@stdlib/math-base-special-betainc'
import quantile from '@stdlib/stats-base-dists-t-quantile'
import { normalTwoSided, twoSidedCritical } from './normal.ts'

/** Past this many degrees of freedom t and the normal differ by less than double precision shows in a p-value. */
const NORMAL_FROM = 1e12

/** P(|T| ≥ |t|) with `df` degrees of freedom, by the incomplete beta function, exact also far out in the tail. */
export function tTwoSided(t: number, df: number): number {
  if (Number.isNaN(t) || !(df > 0)) return Number.NaN
  if (df > NORMAL_FROM) return normalTwoSided(t)
  const square = t * t
  if (square === Number.POSITIVE_INFINITY) return 0
  // Whichever of x and 1 − x is small is the one that carries the precision.
  return square < df
    ? betainc(square / (df + square), 0.5, df / 2, true, true)
    : betainc(df / (df + square), df / 2, 0.5, true, false)
}

/** P(T > t). */
export function tAbove(t: number, df: number): number {
  const half = tTwoSided(t, df) / 2
  return t > 0 ? half : 1 - half
}

/** The t that |T| passes with probability `alpha`. */
export function tTwoSidedCritical(alpha: number, df: number): number {
  if (!(df > 0)) return Number.NaN
  return df > NORMAL_FROM ? twoSidedCritical(alpha) : -quantile(alpha / 2, df)
}
