import { Temporal } from 'temporal-polyfill'
import type { Happened } from '../support/histories.ts'

/** The contract's retention, told as plainly as it can be: local dates by Temporal, one unit and one cell at a time. */
export interface ReferenceRetention {
  readonly period: 'hour' | 'day' | 'week' | 'month'
  readonly brackets: readonly (readonly [number, number])[]
  readonly clock: 'calendar' | 'rolling24h'
  readonly mode: 'on' | 'onOrAfter'
  readonly timezone: string
  /** 1 Monday to 7 Sunday */
  readonly weekStart: number
  readonly asOf: number
  readonly cohort: (event: Happened) => boolean
  readonly back: (event: Happened) => boolean
}

interface Member {
  readonly start: string
  /** When the cohort's period began: two real hours can have one name when clocks go back. */
  readonly began: number
  /** For each cell: whether it has begun, whether it is over, whether the unit returned in it. */
  readonly cells: readonly { readonly begun: boolean; readonly over: boolean; readonly returned: boolean }[]
}

export function referenceRetention(units: readonly (readonly Happened[])[], query: ReferenceRetention) {
  const members = units.flatMap(
    (events) =>
      member(
        events.filter(({ at }) => at <= query.asOf),
        query,
      ) ?? [],
  )
  const cohorts = [...Map.groupBy(members, ({ began }) => began)]
    .sort(([a], [b]) => a - b)
    .map(([, list]) => ({
      start: list[0]!.start,
      size: list.length,
      cells: query.brackets.flatMap((_, period) => {
        const cells = list.map(({ cells }) => cells[period]!)
        const eligible = cells.filter(({ begun }) => begun).length
        if (eligible === 0) return []
        const returned = cells.filter(({ returned }) => returned).length
        return [{ period, returned, eligible, incomplete: cells.some(({ over }) => !over) }]
      }),
    }))
  const average = query.brackets.map((_, period) => {
    const cells = cohorts.flatMap((cohort) => cohort.cells.filter((cell) => cell.period === period))
    const eligible = cells.reduce((sum, cell) => sum + cell.eligible, 0)
    return {
      period,
      rate: eligible === 0 ? null : cells.reduce((sum, { returned }) => sum + returned, 0) / eligible,
    }
  })
  return { cohorts, average }
}

function member(events: readonly Happened[], query: ReferenceRetention): Member | null {
  const first = events.find(query.cohort)
  if (!first) return null
  const number = (at: number) =>
    query.clock === 'calendar'
      ? between(first.at, at, query)
      : Math.floor((at - first.at) / LENGTH[query.period])
  const now = number(query.asOf)
  const numbers = events
    .filter((event) => event.at >= first.at && query.back(event))
    .map(({ at }) => number(at))
  numbers.push(0)
  const cells = query.brackets.map(([from, to]) => ({
    begun: now >= from,
    over: now > to,
    returned: numbers.some((n) => n >= from && (query.mode === 'onOrAfter' || n <= to)),
  }))
  const start = startOf(first.at, query)
  const hour = `${start.toPlainDateTime().toString({ smallestUnit: 'minute' })}`
  return {
    start: query.period === 'hour' ? hour : start.toPlainDate().toString(),
    began: start.epochMilliseconds,
    cells,
  }
}

const DAY = 864e5
const LENGTH = { hour: 36e5, day: DAY, week: 7 * DAY, month: 30 * DAY }

const starts = new WeakMap<ReferenceRetention, Map<number, Temporal.ZonedDateTime>>()

/** When the period that holds a time began. Kept, as Temporal takes its time. */
function startOf(at: number, query: ReferenceRetention): Temporal.ZonedDateTime {
  const known = starts.get(query) ?? new Map<number, Temporal.ZonedDateTime>()
  starts.set(query, known)
  const start = known.get(at) ?? began(at, query)
  known.set(at, start)
  return start
}

function began(at: number, { period, timezone, weekStart }: ReferenceRetention) {
  const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timezone)
  if (period === 'hour') return local.with({ minute: 0, second: 0, millisecond: 0 }, { offset: 'prefer' })
  const day = local.startOfDay()
  if (period === 'week') return day.subtract({ days: (local.dayOfWeek - weekStart + 7) % 7 }).startOfDay()
  return period === 'month' ? day.with({ day: 1 }).startOfDay() : day
}

/** How many periods lie between those that hold two times. */
function between(a: number, b: number, query: ReferenceRetention): number {
  const [from, to] = [startOf(a, query), startOf(b, query)]
  if (query.period === 'hour') return Math.round((to.epochMilliseconds - from.epochMilliseconds) / 36e5)
  const apart = from
    .toPlainDate()
    .until(to.toPlainDate(), { largestUnit: query.period === 'month' ? 'month' : 'day' })
  if (query.period === 'month') return apart.years * 12 + apart.months
  return query.period === 'week' ? apart.days / 7 : apart.days
}
