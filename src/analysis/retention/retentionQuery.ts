import type { UnitKind } from '../columns/columnarIndex.ts'
import { oneOf } from '../funnel/funnelQuery.ts'
import { parseTime } from '../plan/duration.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter } from '../plan/filter.ts'
import { checkSegment } from '../plan/groups.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { type Period, type Weekday, weekdays } from './calendar.ts'
import { isZone } from './zone.ts'

/** A retention as it is asked for. */
export interface RetentionQuery {
  readonly flowId?: string
  readonly cohortBy: EventFilter
  readonly returnBy: EventFilter
  readonly period: Period
  readonly periods?: number
  readonly clock?: 'calendar' | 'rolling24h'
  readonly mode?: 'on' | 'onOrAfter'
  readonly brackets?: readonly (readonly [from: number, to: number])[]
  readonly timezone?: string
  readonly weekStart?: Weekday
  readonly segment?: string
  readonly unit?: UnitKind
  readonly asOf?: string
}

/** The periods that a cell covers, both inclusive. */
export interface Bracket {
  readonly from: number
  readonly to: number
}

/** The same, checked and with everything said. */
export interface CheckedRetention {
  readonly cohortBy: CompiledFilter
  readonly returnBy: CompiledFilter
  readonly period: Period
  readonly brackets: readonly Bracket[]
  readonly bracketed: boolean
  readonly clock: 'calendar' | 'rolling24h'
  readonly mode: 'on' | 'onOrAfter'
  readonly timezone: string
  readonly weekStart: Weekday
  readonly segment: string | undefined
  readonly unit: UnitKind
  readonly asOf: number
}

const MAX_PERIODS = 1000
const MAX_BRACKETS = 100
const MAX_PERIOD = 10_000

export function checkRetention(
  value: unknown,
  source: AnalysisSource,
): { readonly retention: CheckedRetention } | { readonly faults: readonly Fault[] } {
  const faults = new Faults()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.add('a retention is expected')
    return { faults: faults.list }
  }
  const query = value as Record<string, unknown>
  for (const key of Object.keys(query)) {
    if (!FIELDS.has(key)) faults.at(key).add('unknown field')
    else if (query[key] === null) faults.at(key).add('must not be null; leave the field out')
  }
  const known = { index: source.index, steps: new Set(source.steps) }
  const period = oneOf(query.period ?? '', ['hour', 'day', 'week', 'month'] as const, faults.at('period'))
  const clock = oneOf(query.clock, ['calendar', 'rolling24h'] as const, faults.at('clock'))
  if (clock === 'rolling24h' && period === 'hour') faults.at('period').add('hour does not go with rolling24h')
  const { timezone = 'UTC' } = query
  if (typeof timezone !== 'string' || !isZone(timezone)) {
    faults.at('timezone').add('must be a time zone of the IANA database, such as Europe/Paris')
  }
  const weekStart =
    query.weekStart === undefined ? 'monday' : oneOf(query.weekStart, weekdays, faults.at('weekStart'))
  const retention = {
    cohortBy: compileFilter(query.cohortBy, known, faults.at('cohortBy'))!,
    returnBy: compileFilter(query.returnBy, known, faults.at('returnBy'))!,
    period,
    brackets: checkBrackets(query, faults),
    bracketed: query.brackets !== undefined,
    clock,
    mode: oneOf(query.mode, ['on', 'onOrAfter'] as const, faults.at('mode')),
    timezone: timezone as string,
    weekStart,
    segment:
      query.segment === undefined ? undefined : checkSegment(query.segment, source, faults.at('segment')),
    unit: oneOf(query.unit, ['session', 'user'] as const, faults.at('unit')),
    asOf: query.asOf === undefined ? source.now : (parseTime(query.asOf, faults.at('asOf')) ?? source.now),
  }
  return faults.list.length > 0 ? { faults: faults.list } : { retention }
}

const FIELDS = new Set(
  'flowId cohortBy returnBy period periods clock mode brackets timezone weekStart segment unit asOf'.split(
    ' ',
  ),
)

function checkBrackets({ periods, brackets }: Record<string, unknown>, faults: Faults): Bracket[] {
  const counted = Number.isInteger(periods) && (periods as number) >= 1 && (periods as number) <= MAX_PERIODS
  if (!counted && (periods !== undefined || brackets === undefined)) {
    faults.at('periods').add(`must be a whole number from 1 to ${MAX_PERIODS}`)
  }
  if (brackets === undefined) {
    return counted ? Array.from({ length: periods as number }, (_, n) => ({ from: n, to: n })) : []
  }
  if (!Array.isArray(brackets) || brackets.length === 0 || brackets.length > MAX_BRACKETS) {
    faults.at('brackets').add(`a list of 1 to ${MAX_BRACKETS} brackets [from, to] is expected`)
    return []
  }
  return brackets.map((bracket, i) => {
    const [from, to] = Array.isArray(bracket) && bracket.length === 2 ? bracket : [Number.NaN, Number.NaN]
    const whole = Number.isInteger(from) && Number.isInteger(to)
    if (!whole || from < 0 || to < from || to > MAX_PERIOD) {
      faults.at('brackets', i).add(`must be [from, to], whole numbers with 0 ≤ from ≤ to ≤ ${MAX_PERIOD}`)
    }
    return { from, to }
  })
}
