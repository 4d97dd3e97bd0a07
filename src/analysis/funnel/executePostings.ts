import type { Posting } from '../columns/postings.ts'
import { evaluatorOf } from './evaluator.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { Outcome } from './outcome.ts'

/** With more entries than this a unit is followed by an evaluator, whose cost does not grow with them. */
const MANY_ENTRIES = 8

/**
 * Ordered funnels whose steps are one kind of event each: only the events of the steps are looked at, in the lists of where they are. As units
 * follow one another in a run, each list is walked through once, from front to back.
 */
export function scanPostings(
  plan: FunnelPlan,
  { first, last, run }: { first: number; last: number; run: number },
  record: (unit: number, depth: number, at: Float64Array) => void,
): void {
  const { steps, window, from, to, asOf } = plan
  const { unit, start, stale, postings, code, time } = plan.coding.runs[run]!
  const anyEntry = plan.entry === 'any'
  const evaluate = evaluatorOf(plan)
  const out = new Outcome(steps)
  const lists = postings!
  const at = new Float64Array(steps)
  const best = new Float64Array(steps)
  const begin = start[first]!
  const next = Uint32Array.from(lists, (list) => after(list, 0, begin - 1))
  const { at: entries, time: entered } = lists[0]!
  const end = after(lists[0]!, next[0]!, start[last]! - 1)
  let slot = first
  for (let entry = next[0]!; entry < end; ) {
    const place = entries[entry]!
    while (start[slot + 1]! <= place) slot += 1
    const until = start[slot + 1]!
    let beyond = entry + 1
    while (beyond < end && entries[beyond]! < until) beyond += 1
    if (stale === null || stale[slot] !== 1) {
      if (anyEntry && beyond - entry > MANY_ENTRIES) {
        evaluate(code, time, place, seenUntil(time, place, until, asOf), out)
        if (out.depth > 0) record(unit[slot]!, out.depth, out.at)
      } else {
        let deepest = 0
        for (let e = entry; e < beyond; e++) {
          const t = entered[e]!
          if (t >= from && t < to && t <= asOf) {
            const limit = Math.min(t + window, asOf)
            at[0] = t
            let depth = 1
            let before = entries[e]!
            while (depth < steps) {
              const list = lists[depth]!
              const found = after(list, next[depth]!, before)
              // a later entry of the unit looks no further back than the first one did
              if (e === entry) next[depth] = found
              if (found === list.at.length) break
              before = list.at[found]!
              if (before >= until) break
              const reached = list.time[found]!
              if (reached > limit) break
              at[depth++] = reached
            }
            if (depth >= deepest) {
              deepest = depth
              for (let step = 0; step < depth; step++) best[step] = at[step]!
            }
          }
          if (!anyEntry) break
        }
        if (deepest > 0) record(unit[slot]!, deepest, best)
      }
    }
    entry = beyond
  }
}

function seenUntil(time: Float64Array, from: number, to: number, asOf: number): number {
  let end = to
  while (end > from && time[end - 1]! > asOf) end -= 1
  return end
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
