import { twoSidedCritical } from './normal.ts'

/**
 * What is known of one arm: an estimate over `n` units and the variance of one unit, so that `variance / n` is the
 * sampling variance of `mean`. Every test below takes samples, whether they hold means, proportions, ratios, quantiles
 * or adjusted means. `variance` is NaN where it cannot be known (fewer than two units).
 */
export interface Sample {
  readonly n: number
  readonly mean: number
  readonly variance: number
}

/** From sums over units; variance with ddof 1. */
export function meanSample(sums: { n: number; sum: number; sumSquares: number }): Sample {
  const { n, sum, sumSquares } = sums
  return { n, mean: sum / n, variance: n > 1 ? (sumSquares - (sum * sum) / n) / (n - 1) : Number.NaN }
}

export function sampleOf(values: Iterable<number>): Sample {
  let n = 0
  let mean = 0
  let squares = 0
  for (const value of values) {
    n += 1
    const step = value - mean
    mean += step / n
    squares += step * (value - mean)
  }
  return { n, mean: n > 0 ? mean : Number.NaN, variance: n > 1 ? squares / (n - 1) : Number.NaN }
}

/** `x` of `n` did it. The variance is that of the population, p(1 − p). */
export function proportionSample({ x, n }: { x: number; n: number }): Sample {
  const p = x / n
  return { n, mean: p, variance: p * (1 - p) }
}

/**
 * A quantile with the two order statistics that bound it at level 1 − `alpha` (Deng et al. 2018): the sampling
 * variance is ((hi − lo) / 2z)² · (n − 1) / n.
 */
export function quantileSample(
  { n, q, lo, hi }: { n: number; q: number; lo: number; hi: number },
  alpha = 0.05,
): Sample {
  const deviation = (hi - lo) / (2 * twoSidedCritical(alpha))
  return { n, mean: q, variance: n > 1 ? deviation * deviation * (n - 1) : Number.NaN }
}

/**
 * Total of numerators over total of denominators by the delta method (Deng, Knoblich & Lu 2018, eq. 5). The moments are
 * means, variances and covariance over units.
 */
export function ratioSample(moments: {
  readonly n: number
  readonly numerator: number
  readonly denominator: number
  readonly varNumerator: number
  readonly varDenominator: number
  readonly covariance: number
}): Sample {
  const { n, numerator: m, denominator: d, varNumerator, varDenominator, covariance } = moments
  if (d === 0 || n === 0) return { n, mean: Number.NaN, variance: Number.NaN }
  const ratio = m / d
  const variance = (varNumerator + ratio * ratio * varDenominator - 2 * ratio * covariance) / (d * d)
  return { n, mean: ratio, variance }
}

/** The order statistics (ranks from 0) that bound the `nu` quantile of `n` values at level 1 − `alpha`. */
export function quantileBoundRanks(n: number, nu: number, alpha = 0.05): { lo: number; hi: number } {
  const spread = twoSidedCritical(alpha) * Math.sqrt(n * nu * (1 - nu))
  const clip = (rank: number): number => Math.min(n - 1, Math.max(0, rank))
  return { lo: clip(Math.floor(n * nu - spread)), hi: clip(Math.ceil(n * nu + spread)) }
}
