import type { Prior } from './bayes.ts'
import { sequentialCritical } from './confidenceSequence.ts'
import { normalAbove, normalBelow, normalQuantile, twoSidedCritical } from './normal.ts'

/** How the finished experiment will be judged. */
export interface Judgement {
  readonly alpha?: number
  /** Set for an always-valid interval tuned to this many units; left out, a fixed one. */
  readonly tuning?: number
  /** A normal prior over the effect: the interval is then the posterior's. */
  readonly prior?: Prior
}

/**
 * The chance to find an effect whose estimate will have `standardError`, from `units` of both arms: one look, both
 * sides counted.
 */
export function power(
  effect: number,
  standardError: number,
  units: number,
  judgement: Judgement = {},
): number {
  const { alpha = 0.05, tuning, prior } = judgement
  if (prior) return powerWithPrior(effect, standardError, alpha, prior)
  const critical =
    tuning === undefined ? twoSidedCritical(alpha) : sequentialCritical(units, { alpha, tuning })
  const z = effect / standardError
  return normalAbove(critical - z) + normalBelow(-critical - z)
}

function powerWithPrior(effect: number, standardError: number, alpha: number, prior: Prior): number {
  const variance = standardError ** 2
  const reach = variance * Math.sqrt(1 / prior.variance + 1 / variance) * twoSidedCritical(alpha)
  const pull = (variance * prior.mean) / prior.variance
  return (
    normalAbove((reach - pull - effect) / standardError) +
    normalBelow(-(reach + pull + effect) / standardError)
  )
}

/** A metric of the control, by mean and variance of a unit, and the lift to find. */
export interface Plan extends Judgement {
  readonly mean: number
  readonly variance: number
  /** Relative to the mean: 0.05 is five percent more. */
  readonly lift: number
  /** Arms, control included. */
  readonly arms?: number
}

/** Standard error of the lift with `perArm` units each; the treatment's spread is taken to be the control's. */
function plannedStandardError(
  { mean, variance, lift }: Pick<Plan, 'mean' | 'variance' | 'lift'>,
  perArm: number,
): number {
  return Math.sqrt((variance / perArm) * (1 + (1 + lift) ** 2)) / Math.abs(mean)
}

export function plannedPower(plan: Plan, units: number): number {
  const perArm = units / (plan.arms ?? 2)
  return power(plan.lift, plannedStandardError(plan, perArm), 2 * perArm, plan)
}

/**
 * Power as planners see it that widen the standard error itself by sequential over fixed critical value, and so shrink
 * the effect too. Overstates what a sequential test finds: kept to read others' plans.
 */
export function inflatedPower(plan: Plan & { tuning: number }, units: number): number {
  const { alpha = 0.05, tuning } = plan
  const perArm = units / (plan.arms ?? 2)
  const inflation = sequentialCritical(2 * perArm, { alpha, tuning }) / twoSidedCritical(alpha)
  return power(plan.lift, plannedStandardError(plan, perArm) * inflation, 2 * perArm, { alpha })
}

/** Units of all arms for the wanted power, rounded up to whole units an arm; null past a trillion. */
export function requiredUnits(plan: Plan, wanted = 0.8): number | null {
  const perArm = leastSufficient((n) => plannedPower(plan, n * (plan.arms ?? 2)) >= wanted, 2, 1e12)
  return perArm === null ? null : Math.ceil(perArm) * (plan.arms ?? 2)
}

/** The smallest lift upwards that `units` of all arms find with the wanted power; null when none is small enough. */
export function detectableLift(plan: Omit<Plan, 'lift'>, units: number, wanted = 0.8): number | null {
  return leastSufficient((lift) => plannedPower({ ...plan, lift }, units) >= wanted, 0, 1e6, 1e-12)
}

/** The fixed two-sided test of a difference: (z₁₋α/₂ + z_power)² times both arms' variance over the difference squared. */
export function unitsPerArm(
  {
    difference,
    variances,
    alpha = 0.05,
  }: { difference: number; variances: readonly [number, number]; alpha?: number },
  wanted = 0.8,
): number {
  const reach = twoSidedCritical(alpha) + normalQuantile(wanted)
  return (reach ** 2 * (variances[0] + variances[1])) / difference ** 2
}

/**
 * How many times the units seen so far must still come for the wanted power, the effect's standard error being what it
 * is now: 0 when they suffice already, null past 2²⁷.
 */
export function stillNeeded(
  now: { readonly standardError: number; readonly units: number },
  target: number,
  judgement: Judgement = {},
  wanted = 0.8,
): number | null {
  const enough = (factor: number): boolean =>
    power(Math.abs(target), now.standardError / Math.sqrt(1 + factor), now.units * (1 + factor), judgement) >=
    wanted
  return leastSufficient(enough, 0, 2 ** 27, 1e-9)
}

/** Days until `units` are there at `perDay` a day; null when none come. */
export const daysToGo = (units: number, perDay: number): number | null =>
  units <= 0 ? 0 : perDay > 0 ? units / perDay : null

/** The least x from `low` for which a growing condition holds, to `precision` relative to x, or null when not by `high`. */
function leastSufficient(
  holds: (x: number) => boolean,
  low: number,
  high: number,
  precision = 1e-10,
): number | null {
  if (holds(low)) return low
  let from = low
  let to = Math.max(low * 2, precision)
  while (!holds(to)) {
    if (to >= high) return null
    from = to
    to = Math.min(high, to * 2)
  }
  while (to - from > precision * Math.max(to, precision)) {
    const middle = (from + to) / 2
    if (middle === from || middle === to) break
    if (holds(middle)) to = middle
    else from = middle
  }
  return to
}
