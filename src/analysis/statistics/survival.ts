import { chiSquareAbove } from './chiSquare.ts'
import type { Interval } from './interval.ts'
import { twoSidedCritical } from './normal.ts'

/** One unit: how long it was watched, and whether the event ended the watching (else it is censored). */
export interface Observation {
  readonly time: number
  readonly event: boolean
}

export interface SurvivalPoint {
  readonly t: number
  readonly atRisk: number
  readonly events: number
  readonly survival: number
  readonly ci: Interval
}

/** Greenwood's plain interval, or the log-log one, which stays within 0 and 1. */
export type SurvivalInterval = 'greenwood' | 'log-log'

/**
 * Kaplan & Meier (1958): the share of units still waiting after each time at which something happened. A unit censored
 * at t is still at risk at t.
 */
export function kaplanMeier(
  observations: Iterable<Observation>,
  { interval = 'log-log', alpha = 0.05 }: { interval?: SurvivalInterval; alpha?: number } = {},
): SurvivalPoint[] {
  const z = twoSidedCritical(alpha)
  let survival = 1
  let greenwood = 0
  const curve: SurvivalPoint[] = []
  for (const { t, atRisk, events } of riskTable(observations)) {
    if (events === 0) continue
    survival *= 1 - events / atRisk
    greenwood += events / (atRisk * (atRisk - events))
    curve.push({ t, atRisk, events, survival, ci: bounds(survival, greenwood, z, interval) })
  }
  return curve
}

function bounds(survival: number, greenwood: number, z: number, interval: SurvivalInterval): Interval {
  if (survival === 0) return [0, 0]
  switch (interval) {
    case 'greenwood': {
      const reach = z * survival * Math.sqrt(greenwood)
      return [Math.max(0, survival - reach), Math.min(1, survival + reach)]
    }
    case 'log-log': {
      const reach = (z * Math.sqrt(greenwood)) / Math.abs(Math.log(survival))
      return [survival ** Math.exp(reach), survival ** Math.exp(-reach)]
    }
  }
}

/** Do two groups wait alike? The log-rank test (Mantel 1966), one degree of freedom. */
export function logRank(
  a: readonly Observation[],
  b: readonly Observation[],
): { chiSquared: number; p: number } {
  const first = riskTable(a)
  const second = riskTable(b)
  const times = new Set([...first, ...second].filter((row) => row.events > 0).map((row) => row.t))
  let excess = 0
  let variance = 0
  for (const t of times) {
    const [inA, inB] = [at(first, t), at(second, t)]
    const n = inA.atRisk + inB.atRisk
    const events = inA.events + inB.events
    excess += inA.events - (events * inA.atRisk) / n
    if (n > 1) variance += (events * (n - events) * inA.atRisk * inB.atRisk) / (n * n * (n - 1))
  }
  const chiSquared = excess ** 2 / variance
  return { chiSquared, p: chiSquareAbove(chiSquared, 1) }
}

interface RiskRow {
  readonly t: number
  readonly atRisk: number
  readonly events: number
}

/** Every distinct time with the units still watched just before it. */
function riskTable(observations: Iterable<Observation>): RiskRow[] {
  const sorted = [...observations].sort((a, b) => a.time - b.time)
  const rows: RiskRow[] = []
  for (let start = 0; start < sorted.length; ) {
    const t = sorted[start]!.time
    let end = start
    let events = 0
    while (end < sorted.length && sorted[end]!.time === t) {
      if (sorted[end]!.event) events += 1
      end += 1
    }
    rows.push({ t, atRisk: sorted.length - start, events })
    start = end
  }
  return rows
}

/** The row of a time, or those at risk at it when the group has none. */
function at(rows: readonly RiskRow[], t: number): { atRisk: number; events: number } {
  const row = rows.find((candidate) => candidate.t >= t)
  if (!row) return { atRisk: 0, events: 0 }
  return { atRisk: row.atRisk, events: row.t === t ? row.events : 0 }
}
