import type { FunnelPlan } from './funnelPlan.ts'
import { follower } from './ordered.ts'
import type { Evaluator, Outcome } from './outcome.ts'
import type { Tables, Terms } from './tables.ts'
import { freeChain } from './tiedExclusions.ts'

/**
 * Exclusions round an evaluator without them. A unit that has none of their events is as it was. Else the chains of full depth are
 * looked at, latest entry first: the first one that is free is the unit's; when none is, the unit is taken out.
 */
export function withExclusions(
  evaluate: Evaluator,
  plan: FunnelPlan,
  tables: Tables,
  terms: Terms,
): Evaluator {
  const tied = plan.ties === 'any'
  const free = (tied ? tiedSearch : recordedSearch)(plan, tables, terms)
  const excluding = new Uint8Array(tables.codes)
  for (let i = 0; i < tables.exclude.length; i++) excluding[i % tables.codes]! |= tables.exclude[i]!
  return (code, time, from, to, out) => {
    out.unclear = false
    evaluate(code, time, from, to, out)
    if (out.depth === 0) return
    let seen = false
    for (let i = from; i < to && !seen; i++) seen = excluding[code[i]!] === 1
    if (!seen) return
    const deepest = out.depth
    if (free(code, time, from, to, out)) return
    out.depth = deepest
    out.excluded = true
  }
}

type Search = (code: Uint32Array, time: Float64Array, from: number, to: number, out: Outcome) => boolean

/** As recorded: each entry has one chain. `out` holds the latest of the deepest. */
function recordedSearch(plan: FunnelPlan, tables: Tables, terms: Terms): Search {
  const { match, codes, exclude } = tables
  const follow = follower(tables, terms)
  const marked = (
    code: Uint32Array,
    time: Float64Array,
    to: number,
    { at, event, depth }: Outcome,
  ): boolean =>
    plan.exclusions.some((range, x) => {
      if (depth <= range.from) return false
      const end = depth <= range.to ? to : event[range.to]!
      const limit = at[0]! + terms.window
      for (let i = event[range.from]! + 1; i < end && time[i]! <= limit; i++) {
        if (exclude[x * codes + code[i]!] === 1) return true
      }
      return false
    })
  return (code, time, from, to, out) => {
    if (!marked(code, time, to, out)) return true
    if (plan.entry === 'first') return false
    const deepest = out.depth
    for (let i = out.event[0]! - 1; i >= from; i--) {
      if (match[code[i]!] !== 1 || time[i]! < terms.from || time[i]! >= terms.to) continue
      follow(code, time, i, to, out)
      if (out.depth === deepest && !marked(code, time, to, out)) return true
    }
    return false
  }
}

/** Ties in whichever order serves: each group of simultaneous events may hold the entry. */
function tiedSearch(plan: FunnelPlan, tables: Tables, terms: Terms): Search {
  const find = freeChain(tables, terms, plan)
  return (code, time, from, to, out) => {
    const deepest = out.depth
    for (let i = out.event[0]!; i >= from; i--) {
      while (i > from && time[i - 1] === time[i]) i -= 1
      if (time[i]! < terms.from || time[i]! >= terms.to) continue
      const found = find(code, time, i, to, deepest, out)
      if (found === null) out.unclear = true
      if (found) return true
      if (plan.entry === 'first') return false
    }
    return false
  }
}
