import { type Pieces, piecesOf, take } from '../plan/pieces.ts'
import type { Sample } from '../plan/quantiles.ts'
import type { TakeBlock } from '../plan/scratch.ts'
import { isChain, scanChains } from './chains.ts'
import { evaluatorOf } from './evaluator.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { Outcome } from './outcome.ts'
import { record, type Tally, tallyOf } from './tally.ts'

/** What a funnel came to, or the part of it that one thread counted; parts add up. */
export interface FunnelCounts {
  /** Units by group × (steps + 1) + depth; depth 0 is not counted. */
  readonly reached: Float64Array
  /** The same of units whose window is still open. */
  readonly open: Float64Array
  /** Units taken out by an exclusion. */
  readonly excluded: number
  /** Of those, units with too many simultaneous events to try every order of them. */
  readonly unclear: number
  /** For each step but the first: ms since the step before, of every unit that reached it, from each part. */
  readonly durations: readonly (readonly Sample[])[]
}

/** Runs a plan over the pieces that are left of its units; what is in blocks that were taken is to be read before they are given back. */
export function executeFunnel(
  plan: FunnelPlan,
  pieces: Pieces = piecesOf(1),
  block?: TakeBlock,
): FunnelCounts {
  const tally = tallyOf(plan, block)
  const chain = isChain(plan)
  let excluded = 0
  let unclear = 0
  for (const slots of take(pieces)) {
    for (const [run, { unit }] of plan.coding.runs.entries()) {
      const [first, last] = slots(unit.length)
      if (chain) scanChains(plan, { run, first, last }, tally)
      else {
        const out = scanRun(plan, { run, first, last }, tally)
        excluded += out.excluded
        unclear += out.unclear
      }
    }
  }
  return { ...tally.counts(), excluded, unclear }
}

/** Follows each unit of a run through the funnel, whatever its rules. */
function scanRun(
  plan: FunnelPlan,
  { run, first, last }: { run: number; first: number; last: number },
  tally: Tally,
): { excluded: number; unclear: number } {
  const { groupOf, cut, asOf } = plan
  const { unit, start, stale, time, code } = plan.coding.runs[run]!
  const evaluate = evaluatorOf(plan)
  const out = new Outcome(plan.steps)
  let excluded = 0
  let unclear = 0
  for (let slot = first; slot < last; slot++) {
    if (stale !== null && stale[slot] === 1) continue
    const group = groupOf === null ? 0 : groupOf[unit[slot]!]!
    if (group < 0) continue
    const from = start[slot]!
    let to = start[slot + 1]!
    if (cut) while (to > from && time[to - 1]! > asOf) to -= 1
    evaluate(code, time, from, to, out)
    if (out.depth === 0) continue
    if (!out.excluded) record(out, group, tally)
    else {
      excluded += 1
      if (out.unclear) unclear += 1
    }
  }
  return { excluded, unclear }
}

export function mergeCounts(parts: readonly FunnelCounts[]): FunnelCounts {
  const [first, ...others] = parts
  if (!first) throw new Error('a funnel has at least one part')
  if (others.length === 0) return first
  const sum = (pick: (part: FunnelCounts) => Float64Array) => {
    const total = pick(first).slice()
    for (const part of others) for (let i = 0; i < total.length; i++) total[i]! += pick(part)[i]!
    return total
  }
  return {
    reached: sum((part) => part.reached),
    open: sum((part) => part.open),
    excluded: parts.reduce((all, part) => all + part.excluded, 0),
    unclear: parts.reduce((all, part) => all + part.unclear, 0),
    durations: first.durations.map((_, step) => parts.flatMap((part) => part.durations[step]!)),
  }
}
