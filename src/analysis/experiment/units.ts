import { addUnit, type Moments, mergeMoments, noMoments } from '../statistics/moments.ts'
import { type Caps, capsAt, winsorise } from '../statistics/winsorise.ts'

/** One metric's figures, a row a unit: its total, and for mean and ratio metrics what that is divided by. */
export interface MetricColumn {
  readonly numerator: ArrayLike<number>
  readonly denominator?: ArrayLike<number>
  /** Pulls numerators in to these quantiles of all arms' units together, such as 0.99. */
  readonly winsorise?: { readonly low?: number; readonly high?: number }
}

/**
 * Exposed units as columns side by side, the form an index keeps them in. `variant` is the index of the one variant a
 * unit was exposed to; a negative one (several variants) is left out. `cell` splits the units further, by day or by
 * weight period, numbered from 0.
 */
export interface UnitTable {
  readonly size: number
  readonly variant: ArrayLike<number>
  readonly metrics: readonly MetricColumn[]
  /** Known of a unit before exposure; NaN where it is not. */
  readonly covariate?: ArrayLike<number>
  readonly cell?: ArrayLike<number>
}

/** Moments by metric, cell and variant. */
export type MomentTable = readonly (readonly (readonly Moments[])[])[]

/** One pass a metric. Everything later works on the moments alone. */
export function aggregate(table: UnitTable, variants: number, cells = 1): MomentTable {
  const known = fillGaps(table)
  return table.metrics.map((column) => aggregateMetric(column, table, known, variants, cells))
}

function aggregateMetric(
  { numerator, denominator, winsorise: quantiles }: MetricColumn,
  { size, variant, cell }: UnitTable,
  covariate: ArrayLike<number> | undefined,
  variants: number,
  cells: number,
): Moments[][] {
  const caps: Caps | undefined = quantiles && capsAt(onlyCounted(numerator, variant, size), quantiles)
  const moments = Array.from({ length: cells }, () => Array.from({ length: variants }, noMoments))
  for (let unit = 0; unit < size; unit++) {
    const arm = variant[unit]!
    if (arm < 0) continue
    const value = caps ? winsorise(numerator[unit]!, caps) : numerator[unit]!
    addUnit(moments[cell?.[unit] ?? 0]![arm]!, value, denominator?.[unit] ?? 1, covariate?.[unit] ?? 0)
  }
  return moments
}

/** Units without the covariate take the mean of those with it, over all arms: they are then left as they are. */
function fillGaps({ covariate, size, variant }: UnitTable): ArrayLike<number> | undefined {
  if (!covariate) return undefined
  let known = 0
  let mean = 0
  for (let unit = 0; unit < size; unit++) {
    const value = covariate[unit]!
    if (variant[unit]! < 0 || Number.isNaN(value)) continue
    known += 1
    mean += (value - mean) / known
  }
  const filled = new Float64Array(size)
  for (let unit = 0; unit < size; unit++)
    filled[unit] = Number.isNaN(covariate[unit]!) ? mean : covariate[unit]!
  return filled
}

function onlyCounted(values: ArrayLike<number>, variant: ArrayLike<number>, size: number): Float64Array {
  const counted = new Float64Array(size)
  let n = 0
  for (let unit = 0; unit < size; unit++) if (variant[unit]! >= 0) counted[n++] = values[unit]!
  return counted.subarray(0, n)
}

/** All cells of one metric together: moments by variant. */
export const together = (cells: readonly (readonly Moments[])[]): Moments[] =>
  (cells[0] ?? []).map((_, arm) => cells.map((cell) => cell[arm]!).reduce(mergeMoments, noMoments()))
