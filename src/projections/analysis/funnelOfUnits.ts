import { MAX_GROUPS } from '../../analysis/funnel/breakdown.ts'
import type { FunnelCounts } from '../../analysis/funnel/execute.ts'
import { type FunnelAnswer, funnelOf } from '../../analysis/funnel/funnel.ts'
import type { CheckedFunnel } from '../../analysis/funnel/funnelQuery.ts'

/** How far one unit got, as read.funnel_units has it. */
export interface FunnelUnitRow {
  /** ms since 1970 UTC */
  readonly entered: number
  readonly reached: number
  readonly excluded: boolean
  readonly unclear: boolean
  readonly group: number
  readonly value: unknown
  /** ms from the entry to each step reached */
  readonly after: readonly number[]
}

/** The funnel of some units, counted from their rows as the engine counts it from events. */
export function funnelOfUnits(
  funnel: CheckedFunnel,
  units: readonly FunnelUnitRow[],
): FunnelAnswer & { readonly exact: boolean } {
  const steps = funnel.steps.length
  const { place, values, groups } = groupsOf(funnel, units)
  const reached = new Float64Array(groups * (steps + 1))
  const open = new Float64Array(groups * (steps + 1))
  const durations = Array.from({ length: steps - 1 }, () => ({ ms: [] as number[], group: [] as number[] }))
  let excluded = 0
  let unclear = 0
  for (const unit of units) {
    if (unit.excluded) {
      excluded += 1
      if (unit.unclear) unclear += 1
      continue
    }
    const group = place(unit.group)
    const cell = group * (steps + 1) + unit.reached
    reached[cell]! += 1
    if (Number.isFinite(funnel.window) && unit.entered >= funnel.asOf - funnel.window) open[cell]! += 1
    for (let step = 1; step < unit.reached; step++) {
      durations[step - 1]!.ms.push(unit.after[step]! - unit.after[step - 1]!)
      durations[step - 1]!.group.push(group)
    }
  }
  const counts: FunnelCounts = {
    reached,
    open,
    excluded,
    unclear,
    durations: durations.map(({ ms, group }) => {
      const values = { values: Float64Array.from(ms), group: groups > 1 ? Uint32Array.from(group) : null }
      return [{ chunks: [values], counts: null }]
    }),
  }
  return { ...funnelOf(funnel, { plan: { steps, groups }, values }, counts), exact: unclear === 0 }
}

/** The groups there are, as the engine would number them: the largest where there are more than are shown. */
function groupsOf(funnel: CheckedFunnel, units: readonly FunnelUnitRow[]) {
  if (!funnel.breakdown) return { place: () => 0, values: [undefined], groups: 1 }
  const sizes = new Map<number, { value: unknown; size: number }>()
  for (const { group, value } of units) {
    const known = sizes.get(group)
    if (known) known.size += 1
    else sizes.set(group, { value, size: 1 })
  }
  // A missing value, −1, comes last, as the engine has it.
  const rank = (group: number) => (group < 0 ? Number.MAX_SAFE_INTEGER : group)
  let present = [...sizes].sort(([a], [b]) => rank(a) - rank(b))
  const others = present.length > MAX_GROUPS
  if (others) present = present.sort(([, a], [, b]) => b.size - a.size).slice(0, MAX_GROUPS)
  const places = new Map(present.map(([group], place) => [group, place]))
  return {
    place: (group: number) => places.get(group) ?? present.length,
    values: present.map(([, { value }]) => value),
    groups: Math.max(present.length + (others ? 1 : 0), 1),
  }
}
