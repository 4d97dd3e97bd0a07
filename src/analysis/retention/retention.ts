import { type Envelope, envelope, type Outcome } from '../plan/envelope.ts'
import type { Fault } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import type { Interval } from '../statistics/interval.ts'
import { wilson } from '../statistics/twoProportions.ts'
import { Calendar } from './calendar.ts'
import { type CohortCounts, executeRetention } from './execute.ts'
import { planRetention, type RetentionOptions, type RetentionPlan } from './retentionPlan.ts'
import { type CheckedRetention, checkRetention } from './retentionQuery.ts'

interface RetentionCell {
  /** The period, or the place of the bracket. */
  readonly period: number
  /** With brackets: the periods covered, both inclusive. */
  readonly bracket?: readonly [from: number, to: number]
  readonly returned: number
  /** Units for whom the period has begun at asOf. */
  readonly eligible: number
  readonly rate: number | null
  /** 95 % Wilson interval of rate */
  readonly ci: Interval | null
  /** The period is not over yet. */
  readonly incomplete: boolean
}

interface Cohort {
  /** Local date, with an hour where the period is one. */
  readonly start: string
  readonly size: number
  readonly cells: readonly RetentionCell[]
}

export interface RetentionAnswer {
  readonly cohorts: readonly Cohort[]
  /** Over all cohorts in which the period has begun, weighted by size. */
  readonly average: readonly { readonly period: number; readonly rate: number | null }[]
}

/** An answer holds at most this many cells. */
const MAX_CELLS = 200_000

/** Answers a retention in this thread, or tells every fault of the query. */
export function queryRetention(
  query: unknown,
  source: AnalysisSource,
  options: RetentionOptions = {},
): Outcome<RetentionAnswer> {
  const prepared = prepareRetention(query, source, options)
  if ('faults' in prepared) return prepared
  return { answer: prepared.answer(executeRetention(prepared.plan)) }
}

interface PreparedRetention {
  readonly plan: RetentionPlan
  readonly answer: (cohorts: readonly CohortCounts[]) => RetentionAnswer & Envelope
}

/** Checks and plans a retention; what remains is to run the plan and hand the cohorts to `answer`. */
export function prepareRetention(
  query: unknown,
  source: AnalysisSource,
  options: RetentionOptions = {},
): PreparedRetention | { readonly faults: readonly Fault[] } {
  const began = performance.now()
  const checked = checkRetention(query, source)
  if ('faults' in checked) return checked
  const { retention } = checked
  const warnings = new Set<string>()
  const plan = planRetention(retention, source, (message) => warnings.add(message), options)
  const { position } = source.index
  return {
    plan,
    answer: (counts) => {
      const average = averages(retention, counts)
      const most = Math.floor(MAX_CELLS / retention.brackets.length)
      if (counts.length > most) {
        warnings.add(`of ${counts.length} cohorts the latest ${most} are shown; the averages are over all`)
      }
      const calendar = new Calendar(plan.period, plan.zone, plan.weekStart)
      const cohorts = counts.slice(-most).map((cohort) => ({
        start: calendar.start(cohort.number),
        size: cohort.size,
        cells: cells(retention, cohort),
      }))
      return {
        cohorts,
        average,
        ...envelope({ query, asOf: retention.asOf, position, began, warnings }),
      }
    },
  }
}

function cells({ brackets, bracketed }: CheckedRetention, cohort: CohortCounts): RetentionCell[] {
  return brackets.flatMap(({ from, to }, period) => {
    const eligible = eligibleFor(cohort, from)
    if (eligible === 0) return []
    const returned = cohort.returned[period]!
    return {
      period,
      ...(bracketed && { bracket: [from, to] as const }),
      returned,
      eligible,
      rate: returned / eligible,
      ci: wilson({ x: returned, n: eligible }),
      incomplete: eligibleFor(cohort, to + 1) < cohort.size,
    }
  })
}

function averages(
  { brackets }: CheckedRetention,
  cohorts: readonly CohortCounts[],
): RetentionAnswer['average'] {
  return brackets.map(({ from }, period) => {
    let returned = 0
    let eligible = 0
    for (const cohort of cohorts) {
      const begun = eligibleFor(cohort, from)
      if (begun === 0) continue
      returned += cohort.returned[period]!
      eligible += begun
    }
    return { period, rate: eligible === 0 ? null : returned / eligible }
  })
}

/** Units of a cohort for whom period `n` has begun. */
function eligibleFor({ age }: CohortCounts, n: number): number {
  let units = 0
  for (let periods = n; periods < age.length; periods++) units += age[periods]!
  return units
}
