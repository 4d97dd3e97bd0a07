import { evaluatorOf } from './evaluator.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { Outcome } from './outcome.ts'
import { record, type Tally } from './tally.ts'

/** Whether a plan is an ordered funnel as recorded and no more: what `scanChains` can run. */
export const isChain = ({ order, ties, exclusions, options }: FunnelPlan): boolean =>
  order === 'ordered' && ties === 'recorded' && exclusions.length === 0 && Object.keys(options).length === 0

/**
 * Runs the slots from `first` up to `last` of a run. From a unit's first step-1 event each step is taken at its earliest, which needs
 * no decision while scanning: every event is noted as the next step's, and kept as that by counting up where it is one. A processor
 * that cannot foresee which events match loses several times as long over branches. Only then is the window looked at.
 */
export function scanChains(
  plan: FunnelPlan,
  { run, first, last }: { run: number; first: number; last: number },
  tally: Tally,
): void {
  const { steps, window, from, to, asOf, groupOf } = plan
  const { matches, runs } = plan.coding
  const { unit, start, stale, time, code } = runs[run]!
  const { reach, took } = tally
  const anyEntry = plan.entry === 'any'
  const evaluate = evaluatorOf(plan)
  const out = new Outcome(steps)
  const next = nextStep(plan)
  const width = steps + 1
  /** The event of each step reached, then the last event seen. */
  const place = new Uint32Array(width)
  let end = start[first]!
  for (let slot = first; slot < last; slot++) {
    const begin = end
    end = start[slot + 1]!
    if (stale !== null && stale[slot] === 1) continue
    const group = groupOf === null ? 0 : groupOf[unit[slot]!]!
    if (group < 0) continue
    let taken = 0
    for (let i = begin; i < end; i++) {
      place[taken] = i
      taken += next[code[i]! * width + taken]!
    }
    if (taken === 0) continue
    if (anyEntry && enters(matches, code, place[0]! + 1, end)) {
      evaluate(code, time, begin, seenUntil(time, begin, end, asOf), out)
      record(out, group, tally)
      continue
    }
    const entered = time[place[0]!]!
    if (entered < from || entered >= to || entered > asOf) continue
    const limit = Math.min(entered + window, asOf)
    let before = entered
    let depth = 1
    for (; depth < taken; depth++) {
      const reached = time[place[depth]!]!
      if (reached > limit) break
      took(group, depth, reached - before)
      before = reached
    }
    reach(group, depth, entered)
  }
}

/** Whether a step-1 event is among those from `from` up to `to`. */
function enters(matches: Uint8Array, code: Uint32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (matches[code[i]!] === 1) return true
  return false
}

/** 1 at code × (steps + 1) + taken where an event of that code is the step after those taken; after the last none is. */
function nextStep({ coding, steps }: FunnelPlan): Uint8Array {
  const { codes, matches } = coding
  const next = new Uint8Array(codes * (steps + 1))
  for (let step = 0; step < steps; step++)
    for (let c = 0; c < codes; c++) next[c * (steps + 1) + step] = matches[step * codes + c]!
  return next
}

function seenUntil(time: Float64Array, from: number, to: number, asOf: number): number {
  let end = to
  while (end > from && time[end - 1]! > asOf) end -= 1
  return end
}
