import type { Effect } from './effect.ts'
import type { Interval } from './interval.ts'
import { normalAbove, normalBelow, normalDensity, twoSidedCritical } from './normal.ts'
import { grid, type Posterior } from './posterior.ts'

/** Treatment against control, both as posteriors of their own. */
export interface Comparison {
  readonly chanceToBeat: number
  /** E[max(control − treatment, 0)]: what shipping the treatment is expected to cost, in the metric's own unit. */
  readonly lossIfTreatment: number
  readonly lossIfControl: number
}

/** Two independent posteriors compared, by quadrature over their common axis. */
export function comparePosteriors(control: Posterior, treatment: Posterior): Comparison {
  const { points, weights } = grid([control, treatment])
  let mass = 0
  let beaten = 0
  let lossIfTreatment = 0
  let lossIfControl = 0
  for (const [i, at] of points.entries()) {
    const weight = weights[i]!
    const [a, b] = [control.tails(at), treatment.tails(at)]
    const density = weight * treatment.density(at)
    mass += density
    beaten += density * a.below
    // E[(A − B)⁺] = ∫ P(B < x) P(A > x) dx
    const stretch = weight * control.stretch(at)
    lossIfTreatment += stretch * b.below * a.above
    lossIfControl += stretch * a.below * b.above
  }
  return { chanceToBeat: beaten / mass, lossIfTreatment, lossIfControl }
}

/** A normal belief about the effect, on the effect's own scale. */
export interface Prior {
  readonly mean: number
  readonly variance: number
}

export interface EffectPosterior {
  readonly mean: number
  readonly deviation: number
  readonly ci: Interval
  readonly chanceToBeat: number
  readonly lossIfTreatment: number
  readonly lossIfControl: number
}

/** The posterior of an effect under a normal prior, or a flat one; closed form. */
export function effectPosterior(effect: Effect, prior?: Prior, alpha = 0.05): EffectPosterior {
  const variance = effect.standardError ** 2
  const precision = 1 / variance + (prior ? 1 / prior.variance : 0)
  const mean = prior
    ? (effect.estimate / variance + prior.mean / prior.variance) / precision
    : effect.estimate
  const deviation = Math.sqrt(1 / precision)
  const reach = twoSidedCritical(alpha) * deviation
  return { mean, deviation, ci: [mean - reach, mean + reach], ...normalRisk(mean, deviation) }
}

/**
 * P(X > 0), E[max(−X, 0)] and E[max(X, 0)] of X ~ N(mean, deviation²). Far from 0 the two terms of the loss cancel, so
 * the tail's own continued fraction takes over there.
 */
export function normalRisk(mean: number, deviation: number): Comparison {
  if (Number.isNaN(mean) || Number.isNaN(deviation))
    return { chanceToBeat: Number.NaN, lossIfTreatment: Number.NaN, lossIfControl: Number.NaN }
  if (deviation === 0)
    return {
      chanceToBeat: mean > 0 ? 1 : mean < 0 ? 0 : 0.5,
      lossIfTreatment: Math.max(-mean, 0),
      lossIfControl: Math.max(mean, 0),
    }
  const z = mean / deviation
  return {
    chanceToBeat: normalBelow(z),
    lossIfTreatment: deviation * unitLoss(z),
    lossIfControl: deviation * unitLoss(-z),
  }
}

/** E[max(−X, 0)] of X ~ N(z, 1): φ(z) − z·P(Z > z). */
function unitLoss(z: number): number {
  if (z < 5) return normalDensity(z) - z * normalAbove(z)
  // φ(z) (1 − z·R(z)) with Mills' ratio R(z) = 1 / (z + 1/(z + 2/(z + 3/(z + …))))
  let tail = z
  for (let k = 60; k >= 2; k--) tail = z + k / tail
  const beyond = 1 / tail
  return normalDensity(z) * (beyond / (z + beyond))
}
