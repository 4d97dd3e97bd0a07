import { Matching } from './matching.ts'
import type { Evaluator, Outcome } from './outcome.ts'
import type { Tables, Terms } from './tables.ts'
import { groupEnd } from './tied.ts'

/**
 * Strict, as recorded: the unit's next event that counts must be the next step. With `tolerateRepeats` a repeat of the step just done
 * is passed over.
 */
export function strict(tables: Tables, terms: Terms, anyEntry: boolean, tolerateRepeats: boolean): Evaluator {
  const { steps, codes, match, counted } = tables
  const scratch = { at: new Float64Array(steps), event: new Int32Array(steps), depth: 0 }

  const follow = (code: Uint32Array, time: Float64Array, entry: number, to: number): void => {
    const limit = time[entry]! + terms.window
    scratch.at[0] = time[entry]!
    scratch.event[0] = entry
    let depth = 1
    for (let i = entry + 1; i < to && depth < steps && time[i]! <= limit; i++) {
      const c = code[i]!
      if (counted[c] === 0) continue
      if (match[depth * codes + c] === 1) {
        scratch.at[depth] = time[i]!
        scratch.event[depth] = i
        depth += 1
      } else if (!tolerateRepeats || match[(depth - 1) * codes + c] !== 1) break
    }
    scratch.depth = depth
  }

  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    for (let i = from; i < to; i++) {
      if (match[code[i]!] !== 1) continue
      if (time[i]! >= terms.from && time[i]! < terms.to) {
        follow(code, time, i, to)
        if (scratch.depth >= out.depth) keep(scratch, out)
      }
      if (!anyEntry) return
    }
  }
}

/**
 * Strict, with simultaneous events in whichever order serves. In the entry's group what is not used can come before the entry, but
 * with `entry: first` no step-1 event can; any later group must be used up before the chain goes on.
 */
export function strictTied(tables: Tables, terms: Terms, anyEntry: boolean, grace: number): Evaluator {
  const { steps, counted } = tables
  const matching = new Matching(tables)
  const scratch = { at: new Float64Array(steps), event: new Int32Array(steps), depth: 0 }

  /** The chain that uses the entry's group for its first `used` steps, and goes on after it when `on`. */
  const follow = (
    code: Uint32Array,
    time: Float64Array,
    { entry, after, used, on }: { entry: number; after: number; used: number; on: boolean },
    to: number,
  ): void => {
    matching.advance(code, entry, after, 0, scratch.event)
    scratch.at.fill(time[entry]!, 0, used)
    let depth = used
    const limit = time[entry]! + terms.window
    for (let i = after; on && i < to && depth < steps && time[i]! <= limit; ) {
      const end = groupEnd(time, i, to, grace)
      let events = 0
      for (let j = i; j < end; j++) events += counted[code[j]!]!
      const further = matching.advance(code, i, end, depth, scratch.event)
      scratch.at.fill(time[i]!, depth, depth + further)
      depth += further
      if (further < events) break
      i = end
    }
    scratch.depth = depth
  }

  return (code, time, from, to, out) => {
    out.depth = 0
    out.excluded = false
    for (let i = from, end = from; i < to; i = end) {
      end = groupEnd(time, i, to, grace)
      const most = matching.advance(code, i, end, 0)
      if (most === 0) continue
      if (time[i]! >= terms.from && time[i]! < terms.to) {
        for (let used = 1; used <= most; used++) {
          const on = anyEntry || matching.usesAllEntries(code, i, end, used)
          follow(code, time, { entry: i, after: end, used, on }, to)
          if (scratch.depth >= out.depth) keep(scratch, out)
        }
      }
      if (!anyEntry) return
    }
  }
}

function keep(chain: { depth: number; at: Float64Array; event: Int32Array }, out: Outcome): void {
  out.depth = chain.depth
  for (let step = 0; step < chain.depth; step++) {
    out.at[step] = chain.at[step]!
    out.event[step] = chain.event[step]!
  }
}
