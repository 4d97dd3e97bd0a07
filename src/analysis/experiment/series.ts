import { type Moments, mergeMoments, noMoments } from '../statistics/moments.ts'
import { type Comparison, compareArms, known } from './compare.ts'
import { sampleOfMetric } from './periods.ts'
import type { AnalysisSpec } from './spec.ts'
import type { MomentTable } from './units.ts'

export interface SeriesPoint {
  readonly day: string
  /** Units exposed so far. */
  readonly exposed: number
  readonly metrics: readonly {
    readonly key: string
    readonly variants: readonly ({
      variant: string
      n: number
      mean: number | null
    } & Partial<SeriesComparison>)[]
  }[]
}

type SeriesComparison = Pick<Comparison, 'absolute' | 'ciFixed' | 'ciSequential' | 'p' | 'pSequential'>

/**
 * How the answer grew, day by day: the units exposed up to the end of each day, with their outcomes as known now.
 * The cells of `moments` are the days a unit was first exposed on, in order.
 */
export function dailySeries(
  spec: AnalysisSpec,
  days: readonly string[],
  moments: MomentTable,
): SeriesPoint[] {
  const sofar: Moments[][] = spec.metrics.map(() => spec.variants.map(noMoments))
  return days.map((day, cell) => ({
    day,
    metrics: spec.metrics.map((metric, index) => {
      const arms = sofar[index]!.map((before, arm) => mergeMoments(before, moments[index]![cell]![arm]!))
      sofar[index] = arms
      const [control, ...treatments] = arms.map((arm) => ({
        sample: sampleOfMetric(arm, metric.type),
        moments: arm,
      }))
      return {
        key: metric.key,
        variants: [
          { variant: spec.variants[0]!.key, n: control!.moments.n, mean: known(control!.sample.mean) },
          ...treatments.map((treatment, arm) => {
            const { absolute, ciFixed, ciSequential, p, pSequential } = compareArms(
              control!,
              treatment,
              metric,
              spec,
              false,
            )
            return {
              variant: spec.variants[arm + 1]!.key,
              n: treatment.moments.n,
              mean: known(treatment.sample.mean),
              absolute,
              ciFixed,
              ciSequential,
              p,
              pSequential,
            }
          }),
        ],
      }
    }),
    exposed: sofar[0]?.reduce((units, { n }) => units + n, 0) ?? 0,
  }))
}
