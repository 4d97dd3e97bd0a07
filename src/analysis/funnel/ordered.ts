import type { Evaluator, Outcome } from './outcome.ts'
import { type StepTable, stepTable, type Tables, type Terms } from './tables.ts'

/** Ordered, as recorded, from the unit's first step-1 event: each step at its earliest. */
export function orderedFirst(tables: Tables, terms: Terms): Evaluator {
  const follow = follower(tables, terms)
  const { match } = tables
  const { from: earliest, to: latest } = terms
  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    for (let i = from; i < to; i++) {
      if (match[code[i]!] !== 1) continue
      const entered = time[i]!
      if (entered >= earliest && entered < latest) follow(code, time, i, to, out)
      return
    }
  }
}

/**
 * Ordered, as recorded, from each step-1 event. For every depth the latest entry that got there is kept: it has the most window
 * left, so no other can get further. Then the chain of the latest entry among the deepest is followed for its times.
 */
export function orderedAny(tables: Tables, terms: Terms): Evaluator {
  const follow = follower(tables, terms)
  const { steps, match } = tables
  const { window, from: earliest, to: latest } = terms
  const table: StepTable = stepTable(tables)
  /** Index of the latest entry whose chain reached each depth. */
  const entry = new Int32Array(steps + 1)
  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    let first = -1
    let entries = 0
    for (let i = from; i < to; i++) {
      if (match[code[i]!] !== 1 || time[i]! < earliest || time[i]! >= latest) continue
      if (entries++ === 0) first = i
      else break
    }
    if (first < 0) return
    if (entries === 1) return follow(code, time, first, to, out)
    let depth = 0
    for (let i = first; i < to; i++) {
      const c = code[i]!
      for (let j = table.start[c]!; j < table.start[c + 1]!; j++) {
        const step = table.step[j]!
        if (step === 0) {
          if (time[i]! < earliest || time[i]! >= latest) continue
          entry[1] = i
          if (depth === 0) depth = 1
        } else if (step <= depth && time[i]! - time[entry[step]!]! <= window) {
          if (step === depth) entry[++depth] = entry[step]!
          else if (entry[step]! > entry[step + 1]!) entry[step + 1] = entry[step]!
        }
      }
    }
    follow(code, time, entry[depth]!, to, out)
  }
}

/** Follows the chain of an entry: the next event of the next step each time, while the window is open. */
export function follower({ steps, codes, match }: Tables, { window }: Terms) {
  return (code: Uint32Array, time: Float64Array, entry: number, to: number, out: Outcome): void => {
    const { at, event } = out
    const limit = time[entry]! + window
    at[0] = time[entry]!
    event[0] = entry
    let depth = 1
    let row = codes
    for (let i = entry + 1; i < to && depth < steps; i++) {
      if (match[row + code[i]!] !== 1) continue
      const t = time[i]!
      if (t > limit) break
      at[depth] = t
      event[depth] = i
      depth += 1
      row += codes
    }
    out.depth = depth
  }
}
