import { describe, expect, test } from 'vitest'
import { queryRetention } from '../../../src/analysis/retention/retention.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../../support/sharedData.ts'
import { sourceOf } from '../support/histories.ts'

type Reference = any

describe.skipIf(sharedMissing)(`purchases of CDs${needsSharedData}`, () => {
  const expected = () => sharedJson('data', 'answers', 'cdnow_retention.json').cdnow
  const source = sharedMissing
    ? sourceOf([])
    : sourceOf(
        sharedCsv('cdnow.csv.gz').map(({ customer_id, date }) => ({
          session: customer_id!,
          at: Date.parse(date!),
          what: 'purchase',
        })),
      )
  const ask = (query: object) => {
    const filter = { signal: 'purchase' }
    const body = { cohortBy: filter, returnBy: filter, asOf: '1998-06-30T23:59:59.999Z', ...query }
    const outcome = queryRetention(body, source)
    if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
    return outcome.answer
  }
  const matrix = ({ cohorts }: ReturnType<typeof ask>) =>
    Object.fromEntries(
      cohorts.map(({ start, cells }) => [start.slice(0, 7), cells.map(({ returned }) => returned)]),
    )

  test('monthly cohorts, on and on-or-after, and their weighted average', () => {
    const { monthly } = expected()
    const on = ask({ period: 'month', periods: 18 })
    expect(matrix(on)).toEqual(monthly.matrix_counts)
    expect(Object.fromEntries(on.cohorts.map(({ start, size }) => [start.slice(0, 7), size]))).toEqual(
      monthly.cohort_sizes,
    )
    for (const [n, rate] of monthly.weighted_average_retention_by_offset.entries()) {
      expect(on.average[n]!.rate).toBeCloseTo(rate, 12)
    }
    expect(matrix(ask({ period: 'month', periods: 18, mode: 'onOrAfter' }))).toEqual(monthly.rolling_counts)
    expect(on.cohorts[0]!.cells.map(({ incomplete }) => incomplete)).toEqual([...Array(17).fill(false), true])
  })

  test('day n, the week from day n on, day n or later', () => {
    const total = (query: object) => {
      const { cohorts } = ask({ period: 'day', ...query })
      return (period: number) => {
        const cells = cohorts.map(({ cells }) => cells.find((cell) => cell.period === period))
        const sum = (key: 'returned' | 'eligible') => cells.reduce((all, cell) => all + (cell?.[key] ?? 0), 0)
        return [sum('returned'), sum('eligible')]
      }
    }
    const days: [string, Reference][] = Object.entries(expected().n_day)
    const number = (day: string) => Number(day.slice(1))
    const on = total({ periods: 181 })
    const after = total({ periods: 181, mode: 'onOrAfter' })
    const week = total({ brackets: days.map(([day]) => [number(day), number(day) + 6]) })
    for (const [i, [day, wanted]] of days.entries()) {
      expect(on(number(day))).toEqual([wanted.on_day, wanted.eligible])
      expect(after(number(day))).toEqual([wanted.on_or_after, wanted.eligible])
      expect(week(i)).toEqual([wanted.in_7_days_from_n, wanted.eligible_week])
    }
  })

  test('weeks from each customer’s own first day', () => {
    const { cohorts } = ask({ period: 'week', clock: 'rolling24h', periods: 27 })
    const weeks = Array.from({ length: 27 }, (_, n) =>
      cohorts.reduce((sum, { cells }) => sum + cells[n]!.returned, 0),
    )
    expect(weeks).toEqual(expected().user_relative_weeks_0_to_26_distinct_users)
  })
})
