import { groupedQuantiles } from '../plan/quantiles.ts'
import type { Interval } from '../statistics/interval.ts'
import { wilson } from '../statistics/twoProportions.ts'
import type { FunnelCounts } from './execute.ts'
import type { CheckedFunnel } from './funnelQuery.ts'

/** One row of a funnel. */
export interface FunnelRow {
  readonly name: string
  readonly count: number
  /** null where there is nothing to divide by */
  readonly conversionFromStart: number | null
  readonly conversionFromPrevious: number | null
  /** 95 % Wilson interval of conversionFromStart */
  readonly ci: Interval | null
  /** Units that stopped before this step and whose window is closed; with inProgress all that are missing. */
  readonly dropped: number
  readonly inProgress: number
  /** Seconds from the previous step, of units that reached this one; null for the first. */
  readonly medianSeconds: number | null
  readonly p90Seconds: number | null
}

/** The rows of one group, given its times. */
export function funnelRows(
  funnel: CheckedFunnel,
  counts: Pick<FunnelCounts, 'reached' | 'open'>,
  times: readonly Times[],
  group: number,
): FunnelRow[] {
  const k = funnel.steps.length
  const reached = counts.reached.subarray(group * (k + 1), (group + 1) * (k + 1))
  const open = counts.open.subarray(group * (k + 1), (group + 1) * (k + 1))
  const atLeast = new Float64Array(k + 2)
  for (let depth = k; depth > 0; depth--) atLeast[depth] = atLeast[depth + 1]! + reached[depth]!
  const started = atLeast[1]!
  return funnel.steps.map((step, i) => {
    const count = atLeast[i + 1]!
    const before = i === 0 ? 0 : atLeast[i]!
    const inProgress = i === 0 ? 0 : open[i]!
    const [medianSeconds, p90Seconds] = i === 0 ? [null, null] : times[i - 1]!
    return {
      name: funnel.order === 'unordered' ? `${i + 1} of ${k} steps` : step.name,
      count,
      conversionFromStart: started === 0 ? null : count / started,
      conversionFromPrevious: i === 0 || before === 0 ? null : count / before,
      ci: started === 0 ? null : wilson({ x: count, n: started }),
      dropped: i === 0 ? 0 : before - count - inProgress,
      inProgress,
      medianSeconds: medianSeconds!,
      p90Seconds: p90Seconds!,
    }
  })
}

/** Median and 90th percentile of each step's durations, in seconds, of step s + 1 in row s: of all units, and by group. */
export function durationTimes(
  { durations }: Pick<FunnelCounts, 'durations'>,
  { groups, window }: { groups: number; window: number },
): { readonly all: readonly Times[]; readonly of: readonly (readonly Times[])[] } {
  const rows = durations.map((parts) =>
    groupedQuantiles(parts, groups, [0.5, 0.9], { scale: 0.001, within: window }),
  )
  return {
    all: rows.map(({ all }) => times(all)),
    of: Array.from({ length: groups }, (_, g) => rows.map(({ of }) => times(of[g]!))),
  }
}

type Times = readonly [median: number | null, p90: number | null]

const times = ([median, p90]: readonly number[]): Times =>
  Number.isNaN(median) ? [null, null] : [median!, p90!]

/** Counts with every group in one; groups count each unit once. */
export function together(
  { reached, open }: Pick<FunnelCounts, 'reached' | 'open'>,
  steps: number,
): Pick<FunnelCounts, 'reached' | 'open'> {
  const sum = (cells: Float64Array) => {
    const total = new Float64Array(steps + 1)
    for (let i = 0; i < cells.length; i++) total[i % (steps + 1)]! += cells[i]!
    return total
  }
  return { reached: sum(reached), open: sum(open) }
}
