import type { Evaluator, Outcome } from './outcome.ts'
import { stepTable, type Tables, type Terms } from './tables.ts'

/**
 * Unordered: depth k means that k of the steps were done, each by an event of its own, from the entry on within the window. Entered
 * by the unit's first event of any step, or by each (the latest of the deepest is kept). With `tied`, events simultaneous
 * with the entry count though recorded before it.
 */
export function unordered(tables: Tables, terms: Terms, anyEntry: boolean, tied: boolean): Evaluator {
  const { steps } = tables
  const { start, step } = stepTable(tables)
  /** The code of the event that does each step, −1 for none yet. */
  const doneBy = new Int32Array(steps)
  const seen = new Uint8Array(steps)
  const scratch = { at: new Float64Array(steps), event: new Int32Array(steps), depth: 0 }

  /** Finds an event a step to do, moving others to other steps of theirs where that helps (Kuhn 1955). */
  const place = (code: number): boolean => {
    for (let j = start[code]!; j < start[code + 1]!; j++) {
      const s = step[j]!
      if (seen[s] === 1) continue
      seen[s] = 1
      if (doneBy[s]! >= 0 && !place(doneBy[s]!)) continue
      doneBy[s] = code
      return true
    }
    return false
  }

  const collect = (code: Uint32Array, time: Float64Array, entry: number, to: number): void => {
    const limit = time[entry]! + terms.window
    let depth = 0
    doneBy.fill(-1)
    for (let i = entry; i < to && depth < steps; i++) {
      const c = code[i]!
      if (start[c] === start[c + 1]) continue
      if (time[i]! > limit) break
      seen.fill(0)
      if (!place(c)) continue
      scratch.at[depth] = time[i]!
      scratch.event[depth] = i
      depth += 1
    }
    scratch.depth = depth
  }

  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    if (!anyEntry) {
      for (let i = from; i < to; i++) {
        if (start[code[i]!] === start[code[i]! + 1]) continue
        if (time[i]! < terms.from || time[i]! >= terms.to) return
        collect(code, time, i, to)
        return keep(scratch, out)
      }
      return
    }
    let most = -1
    for (let i = to - 1; i >= from; i--) {
      if (start[code[i]!] === start[code[i]! + 1]) continue
      if (time[i]! < terms.from || time[i]! >= terms.to) continue
      if (most < 0) most = possible(code, from, to)
      if (tied) while (i > from && time[i - 1] === time[i]) i -= 1
      collect(code, time, i, to)
      if (scratch.depth > out.depth) keep(scratch, out)
      if (out.depth === most) return
    }
  }

  /** No entry can do more steps than all events together. */
  function possible(code: Uint32Array, from: number, to: number): number {
    let depth = 0
    doneBy.fill(-1)
    for (let i = from; i < to && depth < steps; i++) {
      seen.fill(0)
      if (place(code[i]!)) depth += 1
    }
    return depth
  }
}

function keep(chain: { depth: number; at: Float64Array; event: Int32Array }, out: Outcome): void {
  out.depth = chain.depth
  out.at.set(chain.at)
  out.event.set(chain.event)
}
