import { Matching } from './matching.ts'
import type { Evaluator, Outcome } from './outcome.ts'
import { stepTable, type Tables, type Terms } from './tables.ts'

/** Where the events simultaneous with the one at `from` end: those at most `grace` ms later. */
export function groupEnd(time: Float64Array, from: number, to: number, grace: number): number {
  const until = time[from]! + grace
  let end = from + 1
  while (end < to && time[end]! <= until) end += 1
  return end
}

/** Ordered, events of equal time in whichever order serves, from the time of the unit's first step-1 event. */
export function tiedFirst(tables: Tables, terms: Terms, grace: number): Evaluator {
  const follow = tiedFollower(tables, terms, grace)
  const { match } = tables
  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    for (let i = from; i < to; ) {
      const end = groupEnd(time, i, to, grace)
      let enters = false
      for (let j = i; j < end && !enters; j++) enters = match[code[j]!] === 1
      if (enters) {
        if (time[i]! >= terms.from && time[i]! < terms.to) follow(code, time, i, to, out)
        return
      }
      i = end
    }
  }
}

/**
 * Ordered, ties in whichever order serves, from each step-1 event: as `orderedAny`, moving on by groups of simultaneous events
 * instead of single ones.
 */
export function tiedAny(tables: Tables, terms: Terms, grace: number): Evaluator {
  const follow = tiedFollower(tables, terms, grace)
  const matching = new Matching(tables)
  const { steps } = tables
  const table = stepTable(tables)
  const fills = (code: Uint32Array, i: number, end: number): boolean => {
    for (let j = i; j < end; j++) if (table.start[code[j]! + 1]! > table.start[code[j]!]!) return true
    return false
  }
  const entry = new Int32Array(steps + 1)
  const next = new Int32Array(steps + 1)
  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    let deepest = 0
    for (let i = from, end = from; i < to; i = end) {
      end = groupEnd(time, i, to, grace)
      if (!fills(code, i, end)) continue
      const t = time[i]!
      const before = deepest
      for (let depth = 1; depth <= before; depth++) next[depth] = entry[depth]!
      for (let depth = Math.min(before, steps - 1); depth >= 0; depth--) {
        const start = depth === 0 ? i : entry[depth]!
        if (t - time[start]! > terms.window) continue
        if (depth === 0 && !(t >= terms.from && t < terms.to)) continue
        const further = matching.advance(code, i, end, depth)
        for (let d = depth + 1; d <= depth + further; d++) {
          if (d > deepest || start > next[d]!) next[d] = start
          if (d > deepest) deepest = d
        }
      }
      for (let depth = 1; depth <= deepest; depth++) entry[depth] = next[depth]!
    }
    if (deepest > 0) follow(code, time, entry[deepest]!, to, out)
  }
}

/** Follows the chain entered in the group that begins at `entry`, filling as many steps as it can in each group. */
function tiedFollower({ steps, ...tables }: Tables, { window }: Terms, grace: number) {
  const matching = new Matching({ steps, ...tables })
  return (code: Uint32Array, time: Float64Array, entry: number, to: number, out: Outcome): void => {
    const { at, event } = out
    const limit = time[entry]! + window
    let depth = 0
    for (let i = entry; i < to && depth < steps && time[i]! <= limit; ) {
      const end = groupEnd(time, i, to, grace)
      const further = matching.advance(code, i, end, depth, event)
      for (let d = depth; d < depth + further; d++) {
        at[d] = d === 0 ? time[event[d]!]! : Math.max(at[d - 1]!, time[event[d]!]!)
      }
      depth += further
      if (depth === 0) break
      i = end
    }
    out.depth = depth
  }
}
