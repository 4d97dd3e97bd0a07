import { quantileOfSorted } from '../statistics/quantile.ts'
import type { History } from './history.ts'
import { returnsOf, type StepVisit, stepVisits } from './stepVisits.ts'

/** What is compared between sessions at a step. */
export const measures = ['seconds', 'failedValidations', 'returns'] as const
export type Measure = (typeof measures)[number]

/** The sessions of a flow that met a step (completed it, or skipped it), by what they did there. Values ascend. */
export type StepSurvey = { readonly [M in Measure]: Float64Array }

/** By step. Sessions still at a step are not counted there: what they will come to is not known. */
export type Survey = ReadonlyMap<string, StepSurvey>

export const measured = (visit: StepVisit): { readonly [M in Measure]: number | null } => ({
  seconds: visit.took === null ? null : visit.took / 1000,
  failedValidations: visit.failures,
  returns: returnsOf(visit),
})

export function surveyOf(all: Iterable<History>): Survey {
  const found = new Map<string, Record<Measure, number[]>>()
  for (const { events } of all) {
    for (const [step, visit] of stepVisits(events).steps) {
      if (visit.metAt === null) continue
      let at = found.get(step)
      if (!at) {
        at = { seconds: [], failedValidations: [], returns: [] }
        found.set(step, at)
      }
      const values = measured(visit)
      for (const measure of measures) if (values[measure] !== null) at[measure].push(values[measure])
    }
  }
  const sorted = (values: readonly number[]) => Float64Array.from(values).sort()
  return new Map(
    [...found].map(([step, { seconds, failedValidations, returns }]) => [
      step,
      {
        seconds: sorted(seconds),
        failedValidations: sorted(failedValidations),
        returns: sorted(returns),
      },
    ]),
  )
}

/** Where a value lies among sorted ones, from 0 to 1: those below, and half of those equal. Null among none. */
export function quantilePosition(sorted: Float64Array, value: number): number | null {
  if (sorted.length === 0) return null
  const below = firstFrom(sorted, (other) => other >= value)
  const notAbove = firstFrom(sorted, (other) => other > value)
  return (below + notAbove) / 2 / sorted.length
}

/** The place of the first that holds; sorted values that do not hold come before those that do. */
function firstFrom(sorted: Float64Array, holds: (value: number) => boolean): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(sorted[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

/** The sorted values with one of that size taken out: a session is not compared with itself. */
export function without(sorted: Float64Array, value: number | null): Float64Array {
  if (value === null) return sorted
  const place = firstFrom(sorted, (other) => other >= value)
  if (sorted[place] !== value) return sorted
  const rest = new Float64Array(sorted.length - 1)
  rest.set(sorted.subarray(0, place))
  rest.set(sorted.subarray(place + 1), place)
  return rest
}

export const spread = (sorted: Float64Array) => ({
  n: sorted.length,
  median: orNull(quantileOfSorted(sorted, 0.5)),
  p90: orNull(quantileOfSorted(sorted, 0.9)),
  p95: orNull(quantileOfSorted(sorted, 0.95)),
})

const orNull = (value: number) => (Number.isNaN(value) ? null : value)
