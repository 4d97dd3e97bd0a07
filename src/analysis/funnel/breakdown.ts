import { sharedInt32 } from '../columns/growable.ts'
import { executeFunnel } from './execute.ts'
import type { PlannedFunnel } from './funnelPlan.ts'

/** A breakdown shows at most this many values. */
export const MAX_GROUPS = 200

/**
 * Keeps a breakdown bounded: of more values than can be shown the largest stay, by units that entered. The others are put in one
 * group without a value, so that the funnel as a whole still counts them.
 */
export function largestGroups(planned: PlannedFunnel, warn: (message: string) => void): PlannedFunnel {
  const { plan, values } = planned
  if (plan.groups <= MAX_GROUPS || !plan.groupOf) return planned
  const { reached } = executeFunnel({ ...plan, steps: 1, exclusions: [], coding: firstStep(planned) })
  const entered = Float64Array.from(values, (_, group) => reached[group * 2 + 1]!)
  const present = Uint32Array.from(values.keys()).filter((group) => entered[group]! > 0)
  if (present.length <= MAX_GROUPS) return regroup(planned, present, false)
  present.sort((a, b) => entered[b]! - entered[a]! || a - b)
  warn(`the breakdown has ${present.length} values; the ${MAX_GROUPS} largest are shown`)
  return regroup(planned, present.subarray(0, MAX_GROUPS), true)
}

function firstStep({ plan }: PlannedFunnel) {
  const { coding } = plan
  if (plan.order !== 'unordered') return coding
  const matches = coding.matches.slice()
  for (let i = coding.codes; i < plan.steps * coding.codes; i++) matches[i % coding.codes]! |= matches[i]!
  return { ...coding, matches }
}

function regroup({ plan, values }: PlannedFunnel, kept: Uint32Array, others: boolean): PlannedFunnel {
  const place = new Int32Array(values.length).fill(others ? kept.length : -1)
  for (const [i, group] of kept.entries()) place[group] = i
  const groupOf = sharedInt32(plan.units)
  for (let u = 0; u < plan.units; u++) groupOf[u] = plan.groupOf![u]! < 0 ? -1 : place[plan.groupOf![u]!]!
  return {
    plan: { ...plan, groupOf, groups: kept.length + (others ? 1 : 0) },
    values: Array.from(kept, (group) => values[group]),
  }
}
