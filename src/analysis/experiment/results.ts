import type { Moments } from '../statistics/moments.ts'
import { adjustP } from '../statistics/multipleTesting.ts'
import { SRM_ALPHA, sampleRatioTest } from '../statistics/sampleRatio.ts'
import { type Arm, type Comparison, compareArms, known } from './compare.ts'
import { type Decision, decide } from './decision.ts'
import { type FactorialEffect, factorialEffects, factorsOf } from './factorial.ts'
import { type GuardrailVerdict, judgeGuardrail } from './guardrail.ts'
import { type Outlook, outlook } from './outlook.ts'
import { sampleOfMetric, stratifiedSamples } from './periods.ts'
import type { AnalysisSpec, MetricSpec, MetricType } from './spec.ts'
import { type MomentTable, together } from './units.ts'

/** What was counted of an experiment. */
export interface ExperimentData {
  readonly assigned: number
  /** Units exposed to one variant only, by variant. */
  readonly exposed: readonly number[]
  readonly multiExposed: number
  readonly hasCovariate: boolean
  readonly moments: MomentTable
  /**
   * What the share of each variant should be, where it is not simply the weights: a bandit's weights over its periods,
   * each times the units of the period.
   */
  readonly expectedShares?: readonly number[]
  /** The cells of `moments` are periods of different weights: combine, do not pool. */
  readonly periods?: boolean
  /** Newly exposed units a day at the present rate. */
  readonly unitsPerDay?: number
}

export interface VariantResult extends Partial<Comparison> {
  readonly variant: string
  readonly n: number
  readonly mean: number | null
  readonly sum: number | null
  readonly stddev: number | null
  readonly pAdjusted?: number | null
  readonly pSequentialAdjusted?: number | null
  readonly guardrail?: GuardrailVerdict
}

export interface MetricResult {
  readonly key: string
  readonly type: MetricType
  readonly role: MetricSpec['role']
  readonly direction: MetricSpec['direction']
  /** Control first. */
  readonly variants: readonly VariantResult[]
  readonly outlook?: Outlook
  /** Main effects and interactions, where the variants are the cells of a design of several factors. */
  readonly effects?: readonly FactorialEffect[]
}

export interface ExperimentResults {
  readonly assigned: number
  readonly exposed: number
  readonly multiExposed: number
  readonly srm: SrmResult
  readonly metrics: readonly MetricResult[]
  readonly decision: Decision
}

export interface SrmResult {
  readonly chiSquared: number | null
  readonly df: number
  readonly p: number | null
  readonly verdict: 'ok' | 'mismatch' | 'unknown'
  readonly observed: Readonly<Record<string, number>>
}

/** The whole answer, from counts and moments alone: the same data give the same answer, bit for bit. */
export function experimentResults(spec: AnalysisSpec, data: ExperimentData): ExperimentResults {
  const srm = sampleRatio(spec, data)
  const metrics = adjust(
    spec,
    spec.metrics.map((metric, index) => metricResult(metric, data.moments[index]!, spec, data)),
  )
  const exposed = data.exposed.reduce((sum, n) => sum + n, 0)
  return {
    assigned: data.assigned,
    exposed: exposed + data.multiExposed,
    multiExposed: data.multiExposed,
    srm,
    metrics,
    decision: decide(spec, srm, metrics),
  }
}

function sampleRatio(spec: AnalysisSpec, { exposed, expectedShares }: ExperimentData): SrmResult {
  const { chiSquared, df, p } = sampleRatioTest(
    exposed,
    expectedShares ?? spec.variants.map(({ weight }) => weight),
  )
  return {
    // A stray unit in an arm of weight 0 makes it infinite, which JSON cannot say.
    chiSquared: known(chiSquared),
    df,
    p: known(p),
    verdict: Number.isNaN(p) ? 'unknown' : p < SRM_ALPHA ? 'mismatch' : 'ok',
    observed: Object.fromEntries(spec.variants.map(({ key }, arm) => [key, exposed[arm] ?? 0])),
  }
}

function metricResult(
  metric: MetricSpec,
  cells: readonly (readonly Moments[])[],
  spec: AnalysisSpec,
  data: ExperimentData,
): MetricResult {
  const pooled = together(cells)
  const arms: Arm[] = data.periods
    ? stratifiedSamples(cells, metric.type).map((sample, arm) =>
        cells.length > 1 ? { sample } : { sample, moments: pooled[arm]! },
      )
    : pooled.map((moments) => ({ sample: sampleOfMetric(moments, metric.type), moments }))
  const variants = arms.map((arm, index): VariantResult => {
    const figures = describe(spec.variants[index]!.key, metric.type, arm, pooled[index]!)
    if (index === 0) return figures
    const comparison = compareArms(arms[0]!, arm, metric, spec, data.hasCovariate)
    if (metric.role !== 'guardrail') return { ...figures, ...comparison }
    const ci = spec.sequential ? comparison.ciSequential : comparison.ciFixed
    return { ...figures, ...comparison, guardrail: judgeGuardrail(ci, metric) }
  })
  return {
    key: metric.key,
    type: metric.type,
    role: metric.role,
    direction: metric.direction,
    variants,
    ...effectsOf(arms, spec),
    ...(metric.role === 'primary' ? { outlook: outlook(metric, arms[0]!.sample, spec, data) } : {}),
  }
}

function effectsOf(arms: readonly Arm[], { variants, alpha }: AnalysisSpec): Pick<MetricResult, 'effects'> {
  const factors = factorsOf(variants)
  if (!factors) return {}
  const effects = factorialEffects(
    factors,
    variants,
    arms.map(({ sample }) => sample),
    { alpha },
  )
  // A cell that no unit has reached yet, or no variant stands for, leaves the contrasts undefined.
  return 'missing' in effects || effects.some(({ p }) => Number.isNaN(p)) ? {} : { effects }
}

const describe = (variant: string, type: MetricType, { sample }: Arm, pooled: Moments): VariantResult => ({
  variant,
  n: pooled.n,
  mean: known(sample.mean),
  sum: type === 'conversion' || type === 'count' ? Math.round(pooled.n * pooled.m) : pooled.n * pooled.m,
  stddev: known(Math.sqrt(sample.variance)),
})

/** Corrects over every treatment × non-guardrail metric. */
function adjust(spec: AnalysisSpec, metrics: readonly MetricResult[]): MetricResult[] {
  const family = metrics.flatMap((metric, index) =>
    metric.role === 'guardrail'
      ? []
      : metric.variants.slice(1).map((result, arm) => ({ index, arm: arm + 1, result })),
  )
  const corrected = (of: (result: VariantResult) => number | null | undefined): number[] =>
    adjustP(
      family.map(({ result }) => of(result) ?? Number.NaN),
      spec.correction,
    )
  const fixed = corrected((result) => result.p)
  const sequential = corrected((result) => result.pSequential)
  return metrics.map((metric, index) => ({
    ...metric,
    variants: metric.variants.map((result, arm) => {
      const place = family.findIndex((test) => test.index === index && test.arm === arm)
      if (arm === 0) return result
      if (place === -1) return { ...result, pAdjusted: null, pSequentialAdjusted: null }
      return { ...result, pAdjusted: known(fixed[place]!), pSequentialAdjusted: known(sequential[place]!) }
    }),
  }))
}
