import type { FunnelPlan } from './funnelPlan.ts'
import type { CheckedFunnel } from './funnelQuery.ts'
import type { Outcome } from './outcome.ts'
import type { Place } from './scan.ts'

/**
 * What kept a unit from the next step: `segment` and `entry` (never entered), `period` (entered outside from and to), `exclusion`, `order` (the step
 * was done, but before), `window` (done, but too late), `strict` (another event came between), `waiting` (not done, and the window is
 * open), `not_done`.
 */
export interface StoppedBy {
  readonly rule:
    | 'segment'
    | 'entry'
    | 'period'
    | 'exclusion'
    | 'order'
    | 'window'
    | 'strict'
    | 'waiting'
    | 'not_done'
  /** The name of the step that was not reached, and its place from 0; null where none is to blame. */
  readonly step: string | null
  readonly index: number | null
  readonly detail: string
}

export function stoppedBy(
  funnel: CheckedFunnel,
  plan: FunnelPlan,
  place: Place,
  { depth, excluded, at, event }: Outcome,
): StoppedBy | null {
  const { code, time } = plan.coding.runs[place.run]!
  const { codes, matches, counted } = plan.coding
  const fills = (step: number, i: number) => matches[step * codes + code[i]!] === 1
  const when = (i: number) => new Date(time[i]!).toISOString()
  const events = Array.from({ length: place.to - place.from }, (_, i) => place.from + i)
  const blamed = (index: number) => ({ step: funnel.steps[index]!.name, index })
  if (excluded) {
    const x = funnel.exclusions.findIndex((_, x) => events.some((i) => fills(plan.steps + x, i)))
    const { filter, from, to } = funnel.exclusions[x]!
    const between = `between ${funnel.steps[from]!.name} and ${funnel.steps[to]!.name}`
    return { rule: 'exclusion', step: funnel.steps[to]!.name, index: to, detail: `${filter.name} ${between}` }
  }
  if (depth === plan.steps) return null
  const step = depth
  const { name } = funnel.steps[step]!
  const enters = (i: number) =>
    funnel.order === 'unordered' ? funnel.steps.some((_, s) => fills(s, i)) : fills(0, i)
  if (depth === 0) {
    const entry = events.find(enters)
    if (entry === undefined) return { rule: 'entry', ...blamed(0), detail: `never did ${name}` }
    return { rule: 'period', ...blamed(0), detail: `entered at ${when(entry)}, outside from and to` }
  }
  const last = event[depth - 1]!
  const closes = at[0]! + plan.window
  if (funnel.order === 'strict') {
    const next = events.find((i) => i > last && counted[code[i]!] === 1)
    if (next !== undefined && time[next]! <= closes) {
      return { rule: 'strict', ...blamed(step), detail: `the next event, at ${when(next)}, was not ${name}` }
    }
  }
  const missing = (i: number) =>
    funnel.order === 'unordered' ? enters(i) && time[i]! > closes : fills(step, i)
  const late = events.find((i) => i > last && missing(i) && time[i]! > closes)
  if (late !== undefined) {
    return {
      rule: 'window',
      ...blamed(step),
      detail: `${name} came at ${when(late)}, after the window closed at ${iso(closes)}`,
    }
  }
  if (Number.isFinite(plan.window) && closes >= plan.asOf) {
    return {
      rule: 'waiting',
      ...blamed(step),
      detail: `${name} is not done yet; the window is open until ${iso(closes)}`,
    }
  }
  const early = funnel.order === 'ordered' ? events.find((i) => i < last && fills(step, i)) : undefined
  if (early !== undefined) {
    return {
      rule: 'order',
      ...blamed(step),
      detail: `${name} was done at ${when(early)}, before the step it should follow`,
    }
  }
  return { rule: 'not_done', ...blamed(step), detail: `${name} was not done` }
}

const iso = (ms: number) => new Date(ms).toISOString()
