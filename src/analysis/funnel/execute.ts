import { evaluatorOf } from './evaluator.ts'
import { scanPostings } from './executePostings.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { Outcome } from './outcome.ts'

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
  /** For each step but the first: ms since the step before, of every unit that reached it. */
  readonly durations: readonly Durations[]
}

interface Durations {
  readonly ms: Float64Array
  /** The group of each; null when there is one only. */
  readonly group: Uint32Array | null
}

/** A share of the units: the `index`th of `of` equal parts. */
export interface Part {
  readonly index: number
  readonly of: number
}

const WHOLE: Part = { index: 0, of: 1 }

/** Runs a plan over its units, or over a part of them. */
export function executeFunnel(plan: FunnelPlan, part: Part = WHOLE): FunnelCounts {
  const { steps, groups, groupOf, window, asOf, cut } = plan
  const reached = new Float64Array(groups * (steps + 1))
  const open = new Float64Array(groups * (steps + 1))
  const collected = collectors(plan, part)
  const openFrom = asOf - window
  const timed = Number.isFinite(window)
  const record = (unit: number, depth: number, at: Float64Array): void => {
    const group = groupOf === null ? 0 : groupOf[unit]!
    if (group < 0) return
    const cell = group * (steps + 1) + depth
    reached[cell]! += 1
    if (timed && at[0]! >= openFrom) open[cell]! += 1
    for (let step = 1; step < depth; step++) {
      const collector = collected[step - 1]!
      if (groups > 1) collector.group[collector.length] = group
      collector.ms[collector.length++] = at[step]! - at[step - 1]!
    }
  }
  let excluded = 0
  let unclear = 0
  const evaluate = evaluatorOf(plan)
  const out = new Outcome(steps)
  for (const [run, { unit, start, stale, time, code, postings }] of plan.coding.runs.entries()) {
    const [first, last] = share(unit.length, part)
    if (postings) {
      scanPostings(plan, { first, last, run }, record)
      continue
    }
    for (let slot = first; slot < last; slot++) {
      if (stale !== null && stale[slot] === 1) continue
      if (groupOf !== null && groupOf[unit[slot]!]! < 0) continue
      const from = start[slot]!
      let to = start[slot + 1]!
      if (cut) while (to > from && time[to - 1]! > asOf) to -= 1
      evaluate(code, time, from, to, out)
      if (out.depth === 0) continue
      if (!out.excluded) record(unit[slot]!, out.depth, out.at)
      else {
        excluded += 1
        if (out.unclear) unclear += 1
      }
    }
  }
  const durations = collected.map(({ ms, group, length }) => ({
    ms: ms.subarray(0, length),
    group: groups > 1 ? group.subarray(0, length) : null,
  }))
  return { reached, open, excluded, unclear, durations }
}

/** The slots of one part. */
export function share(slots: number, { index, of }: Part): [number, number] {
  return [Math.floor((slots * index) / of), Math.floor((slots * (index + 1)) / of)]
}

interface Collector {
  readonly ms: Float64Array
  readonly group: Uint32Array
  length: number
}

/** Room for the durations of each step: no more units can reach it than there are events for it, or units. */
function collectors({ coding, steps, groups, units, order }: FunnelPlan, part: Part): Collector[] {
  const { codes, matches, counts } = coding
  let room = Math.ceil(units / part.of) + coding.runs.length
  return Array.from({ length: steps - 1 }, (_, i) => {
    const step = i + 1
    let events = 0
    for (let c = 0; c < codes; c++) if (matches[step * codes + c] === 1) events += counts[c]!
    if (order !== 'unordered') room = Math.min(room, events)
    return { ms: new Float64Array(room), group: new Uint32Array(groups > 1 ? room : 0), length: 0 }
  })
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
    durations: first.durations.map((_, i) => ({
      ms: join(
        parts.map((part) => part.durations[i]!.ms),
        (n) => new Float64Array(n),
      ),
      group: first.durations[i]!.group
        ? join(
            parts.map((part) => part.durations[i]!.group!),
            (n) => new Uint32Array(n),
          )
        : null,
    })),
  }
}

function join<A extends Float64Array | Uint32Array>(arrays: readonly A[], make: (length: number) => A): A {
  const joined = make(arrays.reduce((sum, array) => sum + array.length, 0))
  let at = 0
  for (const array of arrays) {
    joined.set(array, at)
    at += array.length
  }
  return joined
}
