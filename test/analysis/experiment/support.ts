import type { ExperimentData } from '../../../src/analysis/experiment/results.ts'
import type { AnalysisSpec, MetricSpec } from '../../../src/analysis/experiment/spec.ts'
import { aggregate, type MetricColumn } from '../../../src/analysis/experiment/units.ts'

export const metric = (key: string, more: Partial<MetricSpec> = {}): MetricSpec => ({
  key,
  type: 'conversion',
  direction: 'increase',
  role: 'primary',
  ...more,
})

export const spec = (metrics: readonly MetricSpec[], more: Partial<AnalysisSpec> = {}): AnalysisSpec => ({
  variants: [
    { key: 'control', weight: 1 },
    { key: 'treatment', weight: 1 },
  ],
  metrics,
  alpha: 0.05,
  sequential: false,
  correction: 'none',
  ...more,
})

/** Units as rows turned into what results take. A variant of −1 was exposed to several. */
export function dataOf(
  variant: readonly number[],
  metrics: readonly MetricColumn[],
  { variants = 2, covariate }: { variants?: number; covariate?: readonly number[] } = {},
): ExperimentData {
  const exposed = new Array<number>(variants).fill(0)
  for (const arm of variant) if (arm >= 0) exposed[arm]! += 1
  const table = { size: variant.length, variant, metrics, ...(covariate ? { covariate } : {}) }
  return {
    assigned: variant.length,
    exposed,
    multiExposed: variant.filter((arm) => arm < 0).length,
    hasCovariate: covariate !== undefined,
    moments: aggregate(table, variants),
  }
}

/** `x` of `n` units converted, in each arm. */
export function conversions(...arms: readonly { x: number; n: number }[]): ExperimentData {
  const variant = arms.flatMap(({ n }, arm) => new Array<number>(n).fill(arm))
  const numerator = arms.flatMap(({ x, n }) => Array.from({ length: n }, (_, unit) => (unit < x ? 1 : 0)))
  return dataOf(variant, [{ numerator }], { variants: arms.length })
}

/** Two standard normals at a time (Box & Muller 1958). */
export function normals(random: () => number): () => number {
  let spare: number | undefined
  return () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    const angle = 2 * Math.PI * random()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}
