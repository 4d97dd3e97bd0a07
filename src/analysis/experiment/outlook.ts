import { daysToGo, detectableLift, requiredUnits } from '../statistics/power.ts'
import type { Sample } from '../statistics/sample.ts'
import { known } from './compare.ts'
import type { AnalysisSpec, MetricSpec } from './spec.ts'

/** How far the experiment can see, at 80 % power and with the analysis it is judged by. */
export interface Outlook {
  /** The smallest lift the units seen so far would find. */
  readonly detectableLift: number | null
  /** Units of all arms that the metric's `mde` needs, and days until they are there at the present rate. */
  readonly requiredUnits: number | null
  readonly daysToGo: number | null
}

export function outlook(
  { mde }: Pick<MetricSpec, 'mde'>,
  { mean, variance }: Sample,
  {
    variants,
    alpha,
    sequential,
    tuning = 5000,
  }: Pick<AnalysisSpec, 'variants' | 'alpha' | 'sequential' | 'tuning'>,
  { exposed, unitsPerDay = 0 }: { readonly exposed: readonly number[]; readonly unitsPerDay?: number },
): Outlook {
  const plan = { mean, variance, arms: variants.length, alpha, ...(sequential ? { tuning } : {}) }
  const units = exposed.reduce((sum, n) => sum + n, 0)
  if (!(variance > 0) || mean === 0 || units === 0)
    return { detectableLift: null, requiredUnits: null, daysToGo: null }
  const required = mde === undefined ? null : requiredUnits({ ...plan, lift: Math.abs(mde) }, 0.8)
  return {
    detectableLift: known(detectableLift(plan, units) ?? Number.NaN),
    requiredUnits: required,
    daysToGo: required === null ? null : daysToGo(required - units, unitsPerDay),
  }
}
