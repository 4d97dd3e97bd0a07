import { type Envelope, envelope, type Outcome } from '../plan/envelope.ts'
import { quantiles } from '../plan/quantiles.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { kaplanMeier, type Observation, type SurvivalPoint } from '../statistics/survival.ts'
import { type FunnelOptions, planFunnel } from './funnelPlan.ts'
import { checkFunnel } from './funnelQuery.ts'
import { type HistogramBin, histogram } from './histogram.ts'
import { scanUnits } from './scan.ts'

/** Durations in seconds; null where nobody got there. */
interface Duration {
  readonly median: number | null
  readonly p90: number | null
  readonly mean: number | null
  readonly n: number
}

export interface TimeToConvert {
  /** From the entry to the last step, of units that converted. */
  readonly total: Duration
  /** From each step to the next, of units that reached the next. */
  readonly perStep: readonly (Duration & { readonly from: string; readonly to: string })[]
  readonly histogram: readonly HistogramBin[]
  /**
   * The share of units not converted yet, by seconds since their entry (Kaplan–Meier). Who did not convert is watched until the window
   * closes or asOf, whichever comes first.
   */
  readonly survival: readonly SurvivalPoint[]
}

const MAX_POINTS = 1000

export function timeToConvert(
  query: unknown,
  source: AnalysisSource,
  options: FunnelOptions = {},
): Outcome<TimeToConvert> {
  const began = performance.now()
  const checked = checkFunnel(query, source)
  if ('faults' in checked) return checked
  const { funnel } = checked
  const warnings = new Set<string>()
  const { plan } = planFunnel({ ...funnel, breakdown: null }, source, (w) => warnings.add(w), options)
  const steps = funnel.steps.map(() => [] as number[])
  const observations: Observation[] = []
  const converted: number[] = []
  scanUnits(plan, (_, { depth, excluded, at }) => {
    if (excluded) return
    for (let step = 1; step < depth; step++) steps[step]!.push(at[step]! - at[step - 1]!)
    const event = depth === plan.steps
    const ms = event ? at[depth - 1]! - at[0]! : Math.min(plan.window, plan.asOf - at[0]!)
    if (event) converted.push(ms)
    observations.push({ time: ms / 1000, event })
  })
  const curve = kaplanMeier(observations)
  if (curve.length > MAX_POINTS) {
    warnings.add(`the survival curve has ${curve.length} points; ${MAX_POINTS} of them are shown`)
  }
  const { position } = source.index
  const answer: TimeToConvert & Envelope = {
    total: duration(converted),
    perStep: funnel.steps.slice(1).map(({ name }, i) => ({
      from: funnel.steps[i]!.name,
      to: name,
      ...duration(steps[i + 1]!),
    })),
    histogram: histogram(converted.map((ms) => ms / 1000)),
    survival: thin(curve),
    ...envelope({ query, asOf: funnel.asOf, position, began, warnings }),
  }
  return { answer }
}

function duration(ms: readonly number[]): Duration {
  const n = ms.length
  if (n === 0) return { median: null, p90: null, mean: null, n }
  const [median, p90] = quantiles(Float64Array.from(ms), [0.5, 0.9], { scale: 0.001 })
  return { median: median!, p90: p90!, mean: ms.reduce((sum, value) => sum + value, 0) / n / 1000, n }
}

function thin(curve: readonly SurvivalPoint[]): readonly SurvivalPoint[] {
  if (curve.length <= MAX_POINTS) return curve
  const step = (curve.length - 1) / (MAX_POINTS - 1)
  return Array.from({ length: MAX_POINTS }, (_, i) => curve[Math.round(i * step)]!)
}
