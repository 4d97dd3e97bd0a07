import { evaluatorOf } from './evaluator.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { Outcome } from './outcome.ts'

/** Where one unit's events are: in run `run` from `from` up to `to`. */
export interface Place {
  unit: number
  run: number
  from: number
  to: number
}

/**
 * Follows every unit of a plan that entered and hands over what it did. Place and outcome are written over for the next unit: what is to
 * be kept must be copied.
 */
export function scanUnits(plan: FunnelPlan, visit: (place: Readonly<Place>, outcome: Outcome) => void): void {
  const evaluate = evaluatorOf(plan)
  const outcome = new Outcome(plan.steps)
  eachUnit(plan, (place) => {
    const { code, time } = plan.coding.runs[place.run]!
    evaluate(code, time, place.from, place.to, outcome)
    if (outcome.depth > 0) visit(place, outcome)
  })
}

/** Every unit of a plan with its events up to asOf. */
export function eachUnit(
  { coding, groupOf, cut, asOf }: FunnelPlan,
  visit: (place: Readonly<Place>) => void,
): void {
  const place: Place = { unit: 0, run: 0, from: 0, to: 0 }
  for (const [run, { unit, start, stale, time }] of coding.runs.entries()) {
    place.run = run
    for (let slot = 0; slot < unit.length; slot++) {
      if (stale?.[slot] || (groupOf && groupOf[unit[slot]!]! < 0)) continue
      place.unit = unit[slot]!
      place.from = start[slot]!
      place.to = start[slot + 1]!
      if (cut) while (place.to > place.from && time[place.to - 1]! > asOf) place.to -= 1
      visit(place)
    }
  }
}
