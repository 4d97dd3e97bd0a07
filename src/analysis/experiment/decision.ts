import type { MetricResult, SrmResult, VariantResult } from './results.ts'
import type { AnalysisSpec } from './spec.ts'

export interface Decision {
  readonly verdict: 'ship' | 'rollback' | 'continue' | 'invalid'
  /** What to ship, with the verdict `ship`. */
  readonly variant?: string
  readonly reasons: readonly string[]
}

interface Judgement {
  readonly variant: string
  readonly verdict: 'ship' | 'rollback' | 'continue'
  readonly reasons: readonly string[]
}

/**
 * A treatment is shipped when a primary metric is better beyond doubt, none is worse, and every guardrail holds; rolled
 * back when a primary metric is worse or a guardrail harmed. "Beyond doubt" is the corrected p at alpha, always valid
 * where the experiment is sequential. Several treatments: ship the likeliest to be best of those that may be shipped;
 * roll back when all must be.
 */
export function decide(spec: AnalysisSpec, srm: SrmResult, metrics: readonly MetricResult[]): Decision {
  if (srm.verdict === 'mismatch')
    return {
      verdict: 'invalid',
      reasons: [`sample ratio mismatch: p = ${figure(srm.p ?? 0)}; the arms were not filled by the weights`],
    }
  if (srm.verdict === 'unknown' && Object.values(srm.observed).every((n) => n === 0))
    return { verdict: 'continue', reasons: ['no exposed units yet'] }
  const judgements = spec.variants.slice(1).map((_, index) => judge(spec, metrics, index + 1))
  const reasons = judgements.flatMap((judgement) => judgement.reasons)
  const shippable = judgements.filter((judgement) => judgement.verdict === 'ship')
  if (shippable.length > 0) return { verdict: 'ship', variant: best(shippable, metrics), reasons }
  if (judgements.length > 0 && judgements.every((judgement) => judgement.verdict === 'rollback'))
    return { verdict: 'rollback', reasons }
  return { verdict: 'continue', reasons }
}

function judge(spec: AnalysisSpec, metrics: readonly MetricResult[], arm: number): Judgement {
  const { key } = spec.variants[arm]!
  const reasons: string[] = []
  let [better, worse, guarded] = [false, false, true]
  for (const metric of metrics) {
    const result = metric.variants[arm]!
    if (metric.role === 'guardrail') {
      if (result.guardrail !== 'held') guarded = false
      if (result.guardrail === 'harmed') worse = true
      reasons.push(`${key}: guardrail ${metric.key} ${result.guardrail}`)
    } else if (metric.role === 'primary') {
      const change = changeOf(metric, metric.variants[0]!, result, spec)
      better ||= change === 'better'
      worse ||= change === 'worse'
      reasons.push(`${key}: ${metric.key} ${describe(change, result, spec)}`)
    }
  }
  if (!metrics.some((metric) => metric.role === 'primary'))
    reasons.push(`${key}: no primary metric to decide on`)
  return { variant: key, verdict: worse ? 'rollback' : better && guarded ? 'ship' : 'continue', reasons }
}

type Change = 'better' | 'worse' | 'undecided' | 'too few'

function changeOf(
  metric: MetricResult,
  control: VariantResult,
  result: VariantResult,
  spec: AnalysisSpec,
): Change {
  if (tooFew(metric, control, result)) return 'too few'
  const p = spec.sequential ? result.pSequentialAdjusted : result.pAdjusted
  if (p === null || p === undefined || p > spec.alpha || !result.absolute) return 'undecided'
  return result.absolute > 0 === (metric.direction === 'increase') ? 'better' : 'worse'
}

/** The normal approximation behind every p wants some units, and for a conversion some of each outcome expected. */
function tooFew({ type }: MetricResult, control: VariantResult, result: VariantResult): boolean {
  const least = Math.min(control.n, result.n)
  if (type !== 'conversion') return least < 10
  const pooled = ((control.sum ?? 0) + (result.sum ?? 0)) / (control.n + result.n)
  return !(least * Math.min(pooled, 1 - pooled) >= 5)
}

function describe(change: Change, result: VariantResult, { sequential, alpha }: AnalysisSpec): string {
  const p = sequential ? result.pSequentialAdjusted : result.pAdjusted
  const kind = sequential ? 'always-valid p' : 'p'
  const by =
    result.absolute === null || result.absolute === undefined ? '' : ` (by ${figure(result.absolute)})`
  switch (change) {
    case 'better':
    case 'worse':
      return `${change}${by}, ${kind} ${figure(p!)} ≤ ${alpha}`
    case 'undecided':
      return `undecided${by}${p === null || p === undefined ? '' : `, ${kind} ${figure(p)} > ${alpha}`}`
    case 'too few':
      return 'has too few units to judge'
  }
}

/** Of those that may be shipped, the one whose first primary metric most surely beats the control by the most. */
function best(candidates: readonly Judgement[], metrics: readonly MetricResult[]): string {
  const metric = metrics.find(({ role }) => role === 'primary')!
  const gain = ({ variant }: Judgement): number => {
    const absolute = metric.variants.find((result) => result.variant === variant)?.absolute ?? 0
    return metric.direction === 'increase' ? absolute : -absolute
  }
  return candidates.reduce((a, b) => (gain(b) > gain(a) ? b : a)).variant
}

const figure = (value: number): string => String(Number(value.toPrecision(3)))
