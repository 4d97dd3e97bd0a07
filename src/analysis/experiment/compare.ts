import { comparePosteriors, normalRisk } from '../statistics/bayes.ts'
import { sequentialTest } from '../statistics/confidenceSequence.ts'
import { cuped, meanWithCovariate, ratioWithCovariate } from '../statistics/cuped.ts'
import { effect, lift } from '../statistics/effect.ts'
import type { Interval } from '../statistics/interval.ts'
import type { Moments } from '../statistics/moments.ts'
import { betaPosterior } from '../statistics/posterior.ts'
import { proportionSample, type Sample } from '../statistics/sample.ts'
import { type Count, twoProportionTest } from '../statistics/twoProportions.ts'
import { welchTest } from '../statistics/welch.ts'
import { isRatio } from './periods.ts'
import type { AnalysisSpec, MetricSpec } from './spec.ts'

/** One treatment's metric against the control's. null where the data cannot say. */
export interface Comparison {
  readonly absolute: number | null
  readonly relative: number | null
  readonly ciFixed: Interval | null
  readonly ciSequential: Interval | null
  readonly p: number | null
  readonly pSequential: number | null
  readonly chanceToBeatControl: number | null
  /** What shipping the treatment is expected to cost, in the metric's unit. */
  readonly expectedLoss: number | null
  readonly cuped?: CupedComparison
}

interface CupedComparison {
  readonly theta: number | null
  readonly varianceReduction: number | null
  readonly absolute: number | null
  readonly p: number | null
  readonly ci: Interval | null
}

/** An arm: its sample, and the moments behind it where units can be pooled (not over changing weights). */
export interface Arm {
  readonly sample: Sample
  readonly moments?: Moments
}

/**
 * Conversion: the pooled z and Wald's interval, Beta(1,1) posteriors. All else, and conversion over changing weights:
 * Welch's t, a normal interval, a normal posterior with a flat prior.
 */
export function compareArms(
  control: Arm,
  treatment: Arm,
  metric: MetricSpec,
  { alpha, tuning }: Pick<AnalysisSpec, 'alpha' | 'tuning'>,
  withCovariate: boolean,
): Comparison {
  const counts = countsOf(control, treatment, metric)
  const found = counts
    ? effect(proportionSample(counts[0]), proportionSample(counts[1]))
    : effect(control.sample, treatment.sample)
  const fixed = counts ? proportions(counts, alpha) : welch(found, alpha)
  const sequential = sequentialTest(found, { alpha, ...(tuning === undefined ? {} : { tuning }) })
  const bayes = counts ? betaRisk(counts) : normalRisk(found.estimate, found.standardError)
  const up = metric.direction === 'increase'
  return {
    absolute: known(found.estimate),
    relative: known(lift(control.sample.mean, treatment.sample.mean)),
    ciFixed: knownInterval(fixed.ci),
    ciSequential: knownInterval(sequential.ci),
    p: known(fixed.p),
    pSequential: known(sequential.p),
    chanceToBeatControl: known(up ? bayes.chanceToBeat : 1 - bayes.chanceToBeat),
    expectedLoss: known(up ? bayes.lossIfTreatment : bayes.lossIfControl),
    ...(withCovariate && control.moments && treatment.moments
      ? { cuped: cupedComparison(control.moments, treatment.moments, metric, alpha) }
      : {}),
  }
}

function countsOf(control: Arm, treatment: Arm, { type }: MetricSpec): [Count, Count] | undefined {
  if (type !== 'conversion' || !control.moments?.n || !treatment.moments?.n) return undefined
  const count = ({ n, m }: Moments): Count => ({ n, x: Math.round(n * m) })
  return [count(control.moments), count(treatment.moments)]
}

function proportions([control, treatment]: [Count, Count], alpha: number): { p: number; ci: Interval } {
  const { p, wald } = twoProportionTest(control, treatment, alpha)
  return { p, ci: wald }
}

function welch(found: ReturnType<typeof effect>, alpha: number): { p: number; ci: Interval } {
  return welchTest(found, { alpha, interval: 'normal' })
}

const betaRisk = ([a, b]: [Count, Count]) =>
  comparePosteriors(betaPosterior(a.x + 1, a.n - a.x + 1), betaPosterior(b.x + 1, b.n - b.x + 1))

function cupedComparison(
  control: Moments,
  treatment: Moments,
  { type }: MetricSpec,
  alpha: number,
): CupedComparison {
  // Nothing to compare with an arm that nobody is in: its mean of 0 is none.
  if (control.n === 0 || treatment.n === 0)
    return { theta: null, varianceReduction: null, absolute: null, p: null, ci: null }
  const outcome = isRatio(type) ? ratioWithCovariate : meanWithCovariate
  const adjusted = cuped(outcome(control), outcome(treatment))
  const found = effect(adjusted.control, adjusted.treatment)
  const { p, ci } = welch(found, alpha)
  return {
    theta: known(adjusted.theta),
    varianceReduction: known(adjusted.varianceReduction),
    absolute: known(found.estimate),
    p: known(p),
    ci: knownInterval(ci),
  }
}

/** JSON has no NaN and no infinity. */
export const known = (value: number): number | null => (Number.isFinite(value) ? value : null)

const knownInterval = (ci: Interval): Interval | null => (ci.every(Number.isFinite) ? ci : null)
