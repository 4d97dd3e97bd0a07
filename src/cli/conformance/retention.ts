import { queryRetention, type RetentionAnswer } from '../../analysis/retention/retention.ts'
import type { RetentionOptions } from '../../analysis/retention/retentionPlan.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { type Deed, sourceOf } from './history.ts'

type Body = Readonly<Record<string, unknown>>

const DAY = 864e5
/** A Wednesday; any day serves. */
const START = Date.UTC(2020, 0, 1)

const seen = (unit: string, at: number, signal = 'seen'): Deed => ({ unit, at, signal })

function ask(query: Body, deeds: readonly Deed[], options: RetentionOptions = {}): RetentionAnswer {
  const filter = { signal: 'seen' }
  const body = { cohortBy: filter, returnBy: filter, ...query }
  const outcome = queryRetention(body, sourceOf(deeds), options)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

const returned = (answer: RetentionAnswer, cohort = 0) =>
  answer.cohorts[cohort]?.cells.map((cell) => cell.returned) ?? []

/** One cohort of known size of which so many came back: the rate of period 3. */
function rate(size: number, back: number, mode: 'on' | 'onOrAfter') {
  const day = mode === 'on' ? 3 : 4
  const deeds = Array.from({ length: size }, (_, i) => [
    seen(`u${i}`, START),
    ...(i < back ? [seen(`u${i}`, START + day * DAY)] : []),
  ])
  const asOf = new Date(START + 5 * DAY).toISOString()
  return { rate: ask({ period: 'day', periods: 4, mode, asOf }, deeds.flat()).average[3]!.rate }
}

/** The rows of a recurring retention from the first period on, as long as periods remain; a period without anybody is zeros. */
function matrix(query: Body & { periods: number }, deeds: readonly Deed[], starts: readonly number[]) {
  const latest = Math.max(starts[starts.length - 1]!, ...deeds.map(({ at }) => at))
  const asOf = new Date(latest).toISOString()
  const answer = ask({ ...query, asOf }, deeds, { recurring: true })
  const rows = new Map(answer.cohorts.map(({ start }, i) => [start, returned(answer, i)]))
  return starts.map((start, i) => {
    const label = new Date(start).toISOString()
    const row = rows.get(query.period === 'hour' ? `${label.slice(0, 13)}:00` : label.slice(0, 10))
    return row ?? new Array<number>(starts.length - i).fill(0)
  })
}

/** Histories as lists of the periods in which each unit was active. */
function active(lists: readonly (readonly number[])[], periods: number, period: 'hour' | 'day' | 'month') {
  const at = (n: number) =>
    period === 'month' ? Date.UTC(2020, n, 1) : START + n * (period === 'day' ? DAY : 36e5)
  const deeds = lists.flatMap((list, i) => list.map((n) => seen(`u${i}`, at(n))))
  return { deeds, starts: Array.from({ length: periods }, (_, n) => at(n)) }
}

const retention: Adapter = (inputs) => {
  if (inputs.returned_day3 !== undefined) return rate(inputs.cohort, inputs.returned_day3, 'on')
  if (inputs.returned_day3_or_later !== undefined) {
    return rate(inputs.cohort, inputs.returned_day3_or_later, 'onOrAfter')
  }
  if (inputs.cohorts_reached_day3 !== undefined) {
    return rate(inputs.cohorts_reached_day3, inputs.returned, 'on')
  }
  const { periods, mode } = inputs
  const options = { periods, mode: mode === 'on or after' ? 'onOrAfter' : 'on' }
  if (inputs.dates) {
    const deeds = inputs.dates.flatMap((dates: string[], i: number) =>
      dates.map((date) => seen(`u${i}`, Date.parse(date))),
    )
    const [weekday, first] = inputs.weekStart.split(' ')
    const starts = Array.from({ length: periods }, (_, n) => Date.parse(first) + n * 7 * DAY)
    return matrix({ period: 'week', weekStart: weekday.toLowerCase(), ...options }, deeds, starts)
  }
  const period = inputs.active_hours ? 'hour' : inputs.active_months ? 'month' : 'day'
  const { deeds, starts } = active(inputs[`active_${period}s`], periods, period)
  return matrix({ period, ...options }, deeds, starts)
}

/** Counts of one cohort, or the whole matrix where the mode is given. */
const unbounded: Adapter = (inputs, vector) => {
  if (inputs.mode) return retention(inputs, vector)
  const { deeds } = active(inputs.active_days, inputs.periods, 'day')
  const row = (mode: string) => returned(ask({ period: 'day', periods: inputs.periods, mode }, deeds))
  return { nDay: row('on'), unbounded: row('onOrAfter') }
}

/** In which period one return falls, by each way of counting. */
const windows: Adapter = ({ start, ret, weekStart }) => {
  const zoned = (time: string) => Date.parse(time.length === 16 ? `${time}:00Z` : time)
  const deeds = [seen('u', zoned(start)), seen('u', zoned(ret), 'back')]
  const period = (query: Body, options: RetentionOptions = {}) => {
    const cohortBy = { signal: 'seen' }
    const body = { cohortBy, returnBy: { signal: 'back' }, periods: 400, ...query }
    return returned(ask(body, deeds, { othersOnly: true, ...options })).indexOf(1)
  }
  const clock = 'rolling24h'
  return {
    day24h: period({ period: 'day', clock }, { floorToHour: true }),
    exact24h: period({ period: 'day', clock }),
    calendarDay: period({ period: 'day' }),
    rollingWeek: period({ period: 'week', clock }),
    calendarWeek: period({ period: 'week', weekStart: (weekStart ?? 'monday').toLowerCase() }),
    rolling30d: period({ period: 'month', clock }),
    calendarMonth: period({ period: 'month' }),
  }
}

const brackets: Adapter = (inputs) => {
  const deeds = inputs.return_days.flatMap((days: number[], i: number) => [
    seen(`u${i}`, START),
    ...days.map((day) => seen(`u${i}`, START + day * DAY, 'back')),
  ])
  const query = { returnBy: { signal: 'back' }, period: 'day', brackets: inputs.brackets }
  return returned(ask(query, deeds, { othersOnly: true }))
}

export const retentionAdapters: Adapters = {
  retention,
  retention_unbounded: unbounded,
  retention_windows: windows,
  retention_bracket: brackets,
}
