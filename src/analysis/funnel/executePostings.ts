import type { Posting } from '../columns/postings.ts'
import type { FunnelPlan } from './funnelPlan.ts'

/**
 * Ordered funnels from the first entry whose steps are one kind of event each: only the events of the steps are looked at, in the lists of where they
 * are. As units follow one another in a run, each list is walked through once, from front to back.
 */
export function scanPostings(
  plan: FunnelPlan,
  { first, last, run }: { first: number; last: number; run: number },
  record: (unit: number, depth: number, at: Float64Array) => void,
): void {
  const { steps, window, from, to, asOf } = plan
  const { unit, start, stale, postings } = plan.coding.runs[run]!
  const lists = postings!
  const at = new Float64Array(steps)
  const begin = start[first]!
  const next = Uint32Array.from(lists, (list) => after(list, 0, begin - 1))
  const { at: entries, time: entered } = lists[0]!
  const end = after(lists[0]!, next[0]!, start[last]! - 1)
  let slot = first
  for (let entry = next[0]!; entry < end; ) {
    const place = entries[entry]!
    while (start[slot + 1]! <= place) slot += 1
    const until = start[slot + 1]!
    const t = entered[entry]!
    if (t >= from && t < to && t <= asOf && (stale === null || stale[slot] !== 1)) {
      const limit = Math.min(t + window, asOf)
      at[0] = t
      let depth = 1
      let before = place
      while (depth < steps) {
        const list = lists[depth]!
        const found = after(list, next[depth]!, before)
        next[depth] = found
        if (found === list.at.length) break
        before = list.at[found]!
        if (before >= until) break
        const reached = list.time[found]!
        if (reached > limit) break
        at[depth++] = reached
      }
      record(unit[slot]!, depth, at)
    }
    do entry += 1
    while (entry < end && entries[entry]! < until)
  }
}

/** The first entry of a list, from `from` on, that lies after `place`: step by step, then by leaps. */
function after({ at }: Posting, from: number, place: number): number {
  const { length } = at
  let low = from
  for (let i = 0; i < 8; i++) {
    if (low >= length || at[low]! > place) return low
    low += 1
  }
  let leap = 8
  while (low + leap < length && at[low + leap]! <= place) {
    low += leap
    leap *= 2
  }
  let high = Math.min(low + leap, length)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (at[middle]! <= place) low = middle + 1
    else high = middle
  }
  return low
}
