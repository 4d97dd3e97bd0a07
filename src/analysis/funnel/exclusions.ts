import type { FunnelPlan } from './funnelPlan.ts'
import { follower } from './ordered.ts'
import type { Evaluator, Outcome } from './outcome.ts'
import type { Tables, Terms } from './tables.ts'
import { tiedFollower } from './tied.ts'

/**
 * Exclusions round an evaluator without them. A unit that has none of their events is as it was. Else the chain of every entry is
 * followed, latest first: the first one of full depth that is free is the unit's; when none is, the unit is taken out.
 */
export function withExclusions(
  evaluate: Evaluator,
  { exclusions, entry, ties, options }: FunnelPlan,
  tables: Tables,
  terms: Terms,
): Evaluator {
  const tied = ties === 'any'
  const grace = options.tieGraceMs ?? 0
  const follow = tied ? tiedFollower(tables, terms, grace) : follower(tables, terms)
  const { codes, match, exclude } = tables

  const excluding = (c: number): boolean => {
    for (let row = c; row < exclude.length; row += codes) if (exclude[row] === 1) return true
    return false
  }

  const marked = (code: Uint32Array, time: Float64Array, to: number, out: Outcome): boolean => {
    const { at, event, depth } = out
    const limit = at[0]! + terms.window
    return exclusions.some((exclusion, x) => {
      if (depth <= exclusion.from) return false
      const ended = depth <= exclusion.to
      for (let i = event[exclusion.from]!; i < to && time[i]! <= limit; i++) {
        if (exclude[x * codes + code[i]!] !== 1) continue
        if (tied) {
          if (time[i]! > at[exclusion.from]! && (ended || time[i]! < at[exclusion.to]!)) return true
        } else if (i > event[exclusion.from]! && (ended || i < event[exclusion.to]!)) return true
      }
      return false
    })
  }

  return (code, time, from, to, out) => {
    evaluate(code, time, from, to, out)
    if (out.depth === 0) return
    let seen = false
    for (let i = from; i < to && !seen; i++) seen = excluding(code[i]!)
    if (!seen || !marked(code, time, to, out)) return
    const deepest = out.depth
    if (entry === 'any') {
      for (let i = to - 1; i >= from; i--) {
        // of simultaneous events the first stands for all
        if (tied) while (i > from && time[i - 1] === time[i]) i -= 1
        if (!(time[i]! >= terms.from && time[i]! < terms.to)) continue
        if (!tied && match[code[i]!] !== 1) continue
        follow(code, time, i, to, out)
        if (out.depth === deepest && !marked(code, time, to, out)) return
      }
    }
    out.depth = deepest
    out.excluded = true
  }
}
