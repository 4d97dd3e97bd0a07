import type { FunnelCounts } from './execute.ts'
import type { FunnelPlan } from './funnelPlan.ts'

/** Counts what units did, as they are met. */
export interface Tally {
  /** A unit that got as far as `depth`, at these times. */
  readonly record: (unit: number, depth: number, at: Float64Array) => void
  readonly counts: () => Pick<FunnelCounts, 'reached' | 'open' | 'durations'>
}

/** Values are written in chunks of growing size: few of them, and no more memory than there are durations. */
const FIRST_CHUNK = 1 << 10
const LAST_CHUNK = 1 << 16

export function tallyOf({ steps, groups, groupOf, window, asOf }: FunnelPlan): Tally {
  const reached = new Float64Array(groups * (steps + 1))
  const open = new Float64Array(groups * (steps + 1))
  const openFrom = Number.isFinite(window) ? asOf - window : Number.POSITIVE_INFINITY
  // Shorter numbers where they suffice.
  const numbers = (length: number) => (window < 2 ** 32 ? new Uint32Array(length) : new Float64Array(length))
  const begin = (length: number): Chunk => ({
    values: numbers(length),
    group: groups > 1 ? new Uint32Array(length) : null,
  })
  const full: Chunk[][] = Array.from({ length: steps }, () => [])
  const current = Array.from({ length: steps }, () => begin(FIRST_CHUNK))
  /** Values in the current chunk of each step. */
  const filled = new Uint32Array(steps)
  return {
    record: (unit, depth, at) => {
      const own = groupOf === null ? 0 : groupOf[unit]!
      if (own < 0) return
      const cell = own * (steps + 1) + depth
      reached[cell]! += 1
      if (at[0]! >= openFrom) open[cell]! += 1
      for (let step = 1; step < depth; step++) {
        let chunk = current[step]!
        let place = filled[step]!
        if (place === chunk.values.length) {
          full[step]!.push(chunk)
          chunk = current[step] = begin(Math.min(place * 4, LAST_CHUNK))
          place = 0
        }
        filled[step] = place + 1
        chunk.values[place] = at[step]! - at[step - 1]!
        if (chunk.group !== null) chunk.group[place] = own
      }
    },
    counts: () => ({
      reached,
      open,
      durations: Array.from({ length: steps - 1 }, (_, i) => {
        const { values, group } = current[i + 1]!
        const length = filled[i + 1]!
        const last = { values: values.subarray(0, length), group: group?.subarray(0, length) ?? null }
        return [...full[i + 1]!, last]
      }),
    }),
  }
}

interface Chunk {
  readonly values: Uint32Array | Float64Array
  readonly group: Uint32Array | null
}
