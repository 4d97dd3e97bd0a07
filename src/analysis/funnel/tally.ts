import type { FunnelCounts } from './execute.ts'
import type { FunnelPlan } from './funnelPlan.ts'

/** Counts what units did, as they are met. */
export interface Tally {
  /** A unit that got as far as `depth`, at these times. */
  readonly record: (unit: number, depth: number, at: Float64Array) => void
  readonly counts: () => Pick<FunnelCounts, 'reached' | 'open' | 'durations'>
}

/** A tally for a share of a plan's units, `of` parts being made of them. */
export function tallyOf(plan: FunnelPlan, of: number): Tally {
  const { steps, groups, groupOf, window, asOf } = plan
  const reached = new Float64Array(groups * (steps + 1))
  const open = new Float64Array(groups * (steps + 1))
  const openFrom = Number.isFinite(window) ? asOf - window : Number.POSITIVE_INFINITY
  const { start, room } = roomFor(plan, of)
  // Shorter numbers where they suffice: what is written is half of the time.
  const ms = window < 2 ** 32 ? new Uint32Array(room) : new Float64Array(room)
  const group = new Uint32Array(groups > 1 ? room : 0)
  const next = start.slice()
  return {
    record: (unit, depth, at) => {
      const own = groupOf === null ? 0 : groupOf[unit]!
      if (own < 0) return
      const cell = own * (steps + 1) + depth
      reached[cell]! += 1
      if (at[0]! >= openFrom) open[cell]! += 1
      for (let step = 1; step < depth; step++) {
        const place = next[step]!
        next[step] = place + 1
        ms[place] = at[step]! - at[step - 1]!
        if (groups > 1) group[place] = own
      }
    },
    counts: () => ({
      reached,
      open,
      durations: Array.from({ length: steps - 1 }, (_, i) => {
        const [from, to] = [start[i + 1]!, next[i + 1]!]
        return [{ values: ms.subarray(from, to), group: groups > 1 ? group.subarray(from, to) : null }]
      }),
    }),
  }
}

/**
 * Where the durations of each step but the first go: no more units can reach it than there are events for it, or units. Room that is not
 * written to costs nothing.
 */
function roomFor({ coding, steps, units, order }: FunnelPlan, of: number) {
  const { codes, matches, counts } = coding
  const start = new Uint32Array(steps)
  let most = Math.ceil(units / of) + coding.runs.length
  let room = 0
  for (let step = 1; step < steps; step++) {
    let events = 0
    for (let c = 0; c < codes; c++) if (matches[step * codes + c] === 1) events += counts[c]!
    if (order !== 'unordered') most = Math.min(most, events)
    start[step] = room
    room += most
  }
  return { start, room }
}
