import { type Moments, meanOf, mergeMoments, ratioOf } from '../statistics/moments.ts'
import { ratioSample, type Sample } from '../statistics/sample.ts'
import type { MetricType } from './spec.ts'

/**
 * Arms whose weights changed on the way cannot be pooled: if the rate moved over time too, an arm that was favoured late
 * holds more late units than the others (Simpson's paradox). Each period of constant weights is a randomised experiment
 * of its own; the periods' means are put together with the same share for every arm, the period's share of all units.
 */
export function stratifiedSamples(periods: readonly (readonly Moments[])[], type: MetricType): Sample[] {
  const strata = usable(periods)
  if (strata.length === 1) return strata[0]!.map((moments) => sampleOfMetric(moments, type))
  const sizes = strata.map((arms) => arms.reduce((units, { n }) => units + n, 0))
  const units = sizes.reduce((sum, size) => sum + size, 0)
  return strata[0]!.map((_, arm) => {
    const total = { n: 0, numerator: 0, denominator: 0, varNumerator: 0, varDenominator: 0, covariance: 0 }
    for (const [index, arms] of strata.entries()) {
      const { n, m, d, mm, dd, md } = arms[arm]!
      const share = sizes[index]! / units
      const spread = (share * share) / (n - 1) / n
      total.n += n
      total.numerator += share * m
      total.denominator += share * d
      total.varNumerator += spread * mm
      total.varDenominator += spread * dd
      total.covariance += spread * md
    }
    // Sampling variances of the means so far; a Sample holds those of a unit.
    const perUnit = {
      ...total,
      varNumerator: total.varNumerator * total.n,
      varDenominator: total.varDenominator * total.n,
      covariance: total.covariance * total.n,
    }
    return isRatio(type)
      ? ratioSample(perUnit)
      : { n: total.n, mean: total.numerator, variance: perUnit.varNumerator }
  })
}

/** Neighbouring periods merged until every arm has two units in each, the least that has a variance. */
function usable(periods: readonly (readonly Moments[])[]): Moments[][] {
  const strata: Moments[][] = []
  let open: Moments[] | undefined
  for (const arms of periods) {
    open = open ? open.map((moments, arm) => mergeMoments(moments, arms[arm]!)) : [...arms]
    if (open.every(({ n }) => n >= 2)) {
      strata.push(open)
      open = undefined
    }
  }
  if (open) {
    const rest = open
    const last = strata.pop()
    strata.push(last ? last.map((moments, arm) => mergeMoments(moments, rest[arm]!)) : rest)
  }
  return strata
}

export const isRatio = (type: MetricType): boolean => type === 'mean' || type === 'ratio'

export const sampleOfMetric = (moments: Moments, type: MetricType): Sample =>
  isRatio(type) ? ratioOf(moments) : meanOf(moments)
