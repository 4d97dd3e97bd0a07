import { sampleOf } from '../plan/quantiles.ts'
import { BLOCK_BYTES, type TakeBlock } from '../plan/scratch.ts'
import type { FunnelCounts } from './execute.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import type { Outcome } from './outcome.ts'

/** Counts what units did, as they are met. */
export interface Tally {
  /** A unit of a group got as far as `depth`; it had entered at that time. */
  readonly reach: (group: number, depth: number, entered: number) => void
  /** It took so long from the step before to this one, ms; steps count from 0. */
  readonly took: (group: number, step: number, ms: number) => void
  readonly counts: () => Pick<FunnelCounts, 'reached' | 'open' | 'durations'>
}

/** What one unit of a group did. */
export function record({ depth, at }: Outcome, group: number, { reach, took }: Tally): void {
  if (depth === 0) return
  for (let step = 1; step < depth; step++) took(group, step, at[step]! - at[step - 1]!)
  reach(group, depth, at[0]!)
}

/** Values are written in chunks of growing size, and then in blocks: few of them, and hardly more memory than there are durations. */
const FIRST_CHUNK = 1 << 10
const OWN_CHUNK = 1 << 14

export function tallyOf(
  { steps, groups, window, asOf }: FunnelPlan,
  take: TakeBlock = () => new ArrayBuffer(BLOCK_BYTES),
): Tally {
  const reached = new Float64Array(groups * (steps + 1))
  const open = new Float64Array(groups * (steps + 1))
  const openFrom = Number.isFinite(window) ? asOf - window : Number.POSITIVE_INFINITY
  // Shorter numbers where they suffice.
  const short = window < 2 ** 32
  const begin = (length: number): Chunk =>
    length <= OWN_CHUNK
      ? {
          values: short ? new Uint32Array(length) : new Float64Array(length),
          group: groups > 1 ? new Uint32Array(length) : null,
        }
      : {
          values: short ? new Uint32Array(take()) : new Float64Array(take()),
          group: groups > 1 ? new Uint32Array(take()) : null,
        }
  const full: Chunk[][] = Array.from({ length: steps }, () => [])
  const current = Array.from({ length: steps }, () => begin(FIRST_CHUNK))
  /** Values in the current chunk of each step. */
  const filled = new Uint32Array(steps)
  return {
    reach: (group, depth, entered) => {
      const cell = group * (steps + 1) + depth
      reached[cell]! += 1
      if (entered >= openFrom) open[cell]! += 1
    },
    took: (group, step, ms) => {
      let chunk = current[step]!
      let place = filled[step]!
      if (place === chunk.values.length) {
        full[step]!.push(chunk)
        chunk = current[step] = begin(place * 4)
        place = 0
      }
      filled[step] = place + 1
      chunk.values[place] = ms
      if (chunk.group !== null) chunk.group[place] = group
    },
    counts: () => ({
      reached,
      open,
      durations: Array.from({ length: steps - 1 }, (_, i) => {
        const { values, group } = current[i + 1]!
        const length = filled[i + 1]!
        const last = { values: values.subarray(0, length), group: group?.subarray(0, length) ?? null }
        return [sampleOf([...full[i + 1]!, last], groups, window)]
      }),
    }),
  }
}

interface Chunk {
  readonly values: Uint32Array | Float64Array
  readonly group: Uint32Array | null
}
