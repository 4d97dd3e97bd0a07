import type { FunnelPlan } from './funnelPlan.ts'
import type { Evaluator } from './outcome.ts'
import type { Tables, Terms } from './tables.ts'

/**
 * Ordered funnels under rules of other systems: events used for several steps, each step strictly later than the one before, a
 * window for each step. Written plainly, for comparisons; every entry is followed by each step's earliest event.
 */
export function ordered(tables: Tables, terms: Terms, { entry, options }: FunnelPlan): Evaluator {
  const { steps, codes, match } = tables
  const { reuseEvents = false, strictIncrease = false, stepWindowMs = Number.POSITIVE_INFINITY } = options
  const at = new Float64Array(steps)
  const event = new Int32Array(steps)
  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    for (let first = from; first < to; first++) {
      if (match[code[first]!] !== 1) continue
      if (time[first]! >= terms.from && time[first]! < terms.to) {
        at[0] = time[first]!
        event[0] = first
        let depth = 1
        for (let i = first; i < to && depth < steps; i++) {
          if (time[i]! - at[0]! > terms.window || time[i]! - at[depth - 1]! > stepWindowMs) break
          while (depth < steps && match[depth * codes + code[i]!] === 1) {
            if (event[depth - 1] === i && !reuseEvents) break
            if (strictIncrease && time[i]! <= at[depth - 1]!) break
            at[depth] = time[i]!
            event[depth] = i
            depth += 1
          }
        }
        if (depth >= out.depth) {
          out.depth = depth
          out.at.set(at)
          out.event.set(event)
        }
      }
      if (entry === 'first') return
    }
  }
}
