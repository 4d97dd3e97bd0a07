import type { Correction } from '../statistics/multipleTesting.ts'

export type MetricType = 'conversion' | 'count' | 'sum' | 'mean' | 'ratio'
type MetricRole = 'primary' | 'secondary' | 'guardrail'

/** What the analysis must know of a metric; how its figures are gathered is the caller's. */
export interface MetricSpec {
  readonly key: string
  readonly type: MetricType
  readonly direction: 'increase' | 'decrease'
  readonly role: MetricRole
  /** Guardrails: how much worse, in the metric's own unit, is still no harm. */
  readonly margin?: number
  /** The lift worth finding, relative to the control; asks for the sample it needs. */
  readonly mde?: number
}

export interface VariantSpec {
  readonly key: string
  /** Share of the sum of weights. */
  readonly weight: number
  /** Multivariate designs: the level this variant has of each factor. */
  readonly levels?: Readonly<Record<string, string>>
}

/** The first variant is the control. */
export interface AnalysisSpec {
  readonly variants: readonly VariantSpec[]
  readonly metrics: readonly MetricSpec[]
  readonly alpha: number
  /** Whether decisions are made on the always-valid interval and p, which allow looking at any time. */
  readonly sequential: boolean
  readonly correction: Extract<Correction, 'none' | 'holm' | 'bh'>
  /** Units at which the sequential interval is tightest. */
  readonly tuning?: number
}
