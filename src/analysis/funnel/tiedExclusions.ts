import type { FunnelPlan } from './funnelPlan.ts'
import type { Outcome } from './outcome.ts'
import type { Tables, Terms } from './tables.ts'
import { groupEnd } from './tied.ts'

/** Not entered yet. */
const OUTSIDE = -1
/** Orders of one group of simultaneous events are searched up to this many states. */
const MAX_STATES = 50_000

/**
 * Looks for an order of simultaneous events in which some chain of depth `deepest` is free of exclusions: latest entry first, then each step
 * at its earliest. Walks from group to group with the depths that can be reached unmarked. Fills `out` and answers true, or answers
 * false when every such chain is marked in every order; null when a group has too many orders to tell.
 */
export function freeChain(tables: Tables, terms: Terms, { exclusions, entry, options }: FunnelPlan) {
  const { steps, codes, match, exclude } = tables
  const grace = options.tieGraceMs ?? 0

  const fills = (step: number, kind: number) => step < steps && match[step * codes + kind] === 1
  const excludes = (kind: number, low: (from: number) => boolean, high: (to: number) => boolean) =>
    exclusions.some(({ from, to }, x) => exclude[x * codes + kind] === 1 && low(from) && high(to))

  /** The depth after one event, in the ways there are; a marked chain has none. */
  const after = (depth: number, kind: number): number[] => {
    if (depth === OUTSIDE) {
      if (!fills(0, kind)) return [OUTSIDE]
      return entry === 'first' ? [1] : [1, OUTSIDE]
    }
    if (fills(depth, kind)) {
      const between = excludes(
        kind,
        (from) => from < depth,
        (to) => depth < to,
      )
      return between ? [] : [depth + 1]
    }
    const between = excludes(
      kind,
      (from) => from < depth,
      (to) => depth <= to,
    )
    return between ? [] : [depth]
  }

  /** The depths that some order of a group leads to, from a depth before it. */
  const reachable = (
    kinds: readonly number[],
    counts: readonly number[],
    depth: number,
  ): Set<number> | null => {
    const found = new Set<number>()
    const seen = new Set<string>()
    const visit = (at: number, left: readonly number[]): boolean => {
      const key = `${at}:${left}`
      if (seen.has(key)) return true
      if (seen.size >= MAX_STATES) return false
      seen.add(key)
      if (left.every((count) => count === 0)) found.add(at)
      return left.every((count, i) => {
        if (count === 0) return true
        const rest = left.with(i, count - 1)
        return after(at, kinds[i]!).every((next) => visit(next, rest))
      })
    }
    return visit(depth, counts) ? found : null
  }

  const groupsFrom = (code: Uint32Array, time: Float64Array, from: number, to: number): Group[] => {
    const groups: Group[] = []
    const limit = time[from]! + terms.window
    for (let i = from, end = from; i < to && time[i]! <= limit; i = end) {
      end = groupEnd(time, i, to, grace)
      const counts = new Map<number, number>()
      for (let j = i; j < end; j++) {
        const kind = code[j]!
        const matters =
          excludes(
            kind,
            () => true,
            () => true,
          ) || stepsFilledBy(kind)
        // of more alike events than there are steps one is passed over, and the others with it
        if (matters) counts.set(kind, Math.min((counts.get(kind) ?? 0) + 1, steps + 1))
      }
      if (counts.size > 0)
        groups.push({ from: i, to: end, kinds: [...counts.keys()], counts: [...counts.values()] })
    }
    return groups
  }

  const stepsFilledBy = (kind: number) => {
    for (let step = 0; step < steps; step++) if (match[step * codes + kind] === 1) return true
    return false
  }

  /** The depth after each group of a free chain of full depth, or null when there is none; undefined when it is too much to tell. */
  const path = (groups: readonly Group[], deepest: number): number[] | null | undefined => {
    const memo = groups.map(() => new Map<number, Set<number> | null>())
    const hopeless = groups.map(() => new Set<number>())
    let gaveUp = false
    const walk = (g: number, depth: number): number[] | null => {
      const group = groups[g]
      if (!group) return depth === deepest ? [] : null
      if (hopeless[g]!.has(depth)) return null
      if (!memo[g]!.has(depth)) memo[g]!.set(depth, reachable(group.kinds, group.counts, depth))
      const next = memo[g]!.get(depth)
      if (!next) gaveUp = true
      for (const reached of [...(next ?? [])].sort((a, b) => b - a)) {
        if (g === 0 && reached === OUTSIDE) continue
        const rest = walk(g + 1, reached)
        if (rest) return [reached, ...rest]
      }
      hopeless[g]!.add(depth)
      return null
    }
    const found = walk(0, OUTSIDE)
    return found ?? (gaveUp ? undefined : null)
  }

  return (
    code: Uint32Array,
    time: Float64Array,
    entryGroup: number,
    to: number,
    deepest: number,
    out: Outcome,
  ): boolean | null => {
    const groups = groupsFrom(code, time, entryGroup, to)
    if (groups[0]?.from !== entryGroup) return false
    const found = path(groups, deepest)
    if (found === undefined) return null
    if (found === null) return false
    let step = 0
    for (const [g, depth] of found.entries()) {
      for (; step < depth; step++) {
        out.at[step] = time[groups[g]!.from]!
        out.event[step] = eventFor(code, groups[g]!, step, out)
      }
    }
    out.depth = deepest
    return true
  }

  /** An event of the group that fills the step and is not in use. */
  function eventFor(code: Uint32Array, { from, to }: Group, step: number, { event }: Outcome): number {
    for (let i = from; i < to; i++) {
      if (fills(step, code[i]!) && !event.subarray(0, step).includes(i)) return i
    }
    return from
  }
}

interface Group {
  readonly from: number
  readonly to: number
  /** The codes of the group's events, as far as they matter, and how many there are of each. */
  readonly kinds: readonly number[]
  readonly counts: readonly number[]
}
