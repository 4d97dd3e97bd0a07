import { execFileSync } from 'node:child_process'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { needsSharedData, sharedCsv, sharedFile, sharedJson, sharedMissing } from '../support/sharedData.ts'
import { type Ask, analystAsking, chunks, counts, filters } from './realData.ts'

type Reference = any

const timeout = 180_000
const PAGES = ['home_page', 'search_page', 'payment_page', 'payment_confirmation_page']

describe.skipIf(sharedMissing)(`real histories analysed over HTTP${needsSharedData}`, { timeout }, () => {
  let service: TestService
  const asks = new Map<string, Ask>()

  beforeAll(async () => {
    service = await startTestService()
  })
  afterAll(() => service?.stop(), timeout)

  /** Imports a data set as a flow of a tenant of its own, once: ids of sessions are of their tenant. */
  const load = async (flowId: string, lines: Iterable<object>) => {
    const admin = await service.as(flowId, 'ada', 'admin')
    await publish(admin, flowId, ['done'])
    const { status, body } = await admin.importLines(flowId, chunks(lines))
    expect([status, body.rejected]).toEqual([200, []])
    asks.set(flowId, analystAsking(await service.as(flowId, 'ann', 'analyst'), flowId, body.position))
  }
  const ask = (flowId: string, path: string, query: object): Promise<Reference> =>
    asks.get(flowId)!(path, query)

  describe('cdnow', () => {
    const expected = () => sharedJson('data', 'answers', 'cdnow_retention.json').cdnow
    const retention = (query: object) => {
      const filter = { signal: 'purchase' }
      const asOf = '1998-06-30T23:59:59.999Z'
      return ask('cdnow', 'retention/query', { cohortBy: filter, returnBy: filter, asOf, ...query })
    }
    beforeAll(
      () =>
        load(
          'cdnow',
          sharedCsv('cdnow.csv.gz').map(({ customer_id, date, dollars }) => ({
            session: customer_id,
            signal: 'purchase',
            value: Number(dollars),
            at: `${date}T00:00:00.000Z`,
          })),
        ),
      timeout,
    )

    test('monthly cohorts, on and on-or-after, and their average', async () => {
      const { monthly } = expected()
      const matrix = ({ cohorts }: Reference) =>
        Object.fromEntries(
          cohorts.map(({ start, cells }: Reference) => [
            start.slice(0, 7),
            cells.map(({ returned }: Reference) => returned),
          ]),
        )
      const on = await retention({ period: 'month', periods: 18 })
      expect(matrix(on)).toEqual(monthly.matrix_counts)
      for (const [n, rate] of monthly.weighted_average_retention_by_offset.entries())
        expect(on.average[n].rate).toBeCloseTo(rate, 12)
      for (const { start, size } of on.cohorts) expect(size).toBe(monthly.cohort_sizes[start.slice(0, 7)])
      const later = await retention({ period: 'month', periods: 18, mode: 'onOrAfter' })
      expect(matrix(later)).toEqual(monthly.rolling_counts)
    })

    test('day n, the week from day n, day n or later, and each customer’s own weeks', async () => {
      const days: [string, Reference][] = Object.entries(expected().n_day)
      const number = (day: string) => Number(day.slice(1))
      const total = async (query: object) => {
        const { cohorts } = await retention({ period: 'day', ...query })
        return (period: number) => {
          const cells = cohorts.map(({ cells }: Reference) =>
            cells.find((cell: Reference) => cell.period === period),
          )
          const sum = (key: string) =>
            cells.reduce((all: number, cell: Reference) => all + (cell?.[key] ?? 0), 0)
          return [sum('returned'), sum('eligible')]
        }
      }
      const on = await total({ periods: 181 })
      const later = await total({ periods: 181, mode: 'onOrAfter' })
      const week = await total({ brackets: days.map(([day]) => [number(day), number(day) + 6]) })
      for (const [i, [day, wanted]] of days.entries()) {
        expect(on(number(day))).toEqual([wanted.on_day, wanted.eligible])
        expect(later(number(day))).toEqual([wanted.on_or_after, wanted.eligible])
        expect(week(i)).toEqual([wanted.in_7_days_from_n, wanted.eligible_week])
      }
      const { cohorts } = await retention({ period: 'week', clock: 'rolling24h', periods: 27 })
      const weeks = Array.from({ length: 27 }, (_, n) =>
        cohorts.reduce((sum: number, { cells }: Reference) => sum + cells[n].returned, 0),
      )
      expect(weeks).toEqual(expected().user_relative_weeks_0_to_26_distinct_users)
    })
  })

  describe('pages', () => {
    const expected = () => sharedJson('data', 'answers', 'page_funnel.json').ecommerce_pages
    beforeAll(() => load('pages', pageLines()), timeout)

    test('as a whole, by device, by sex, by both, by month of entry, with intervals', async () => {
      const steps = filters(PAGES)
      const wanted = expected()
      const funnel = (query: object) => ask('pages', 'funnels/query', { steps, ...query })
      expect(counts((await funnel({})).steps)).toEqual(wanted.funnel_all)
      for (const [attribute, key] of [
        ['device', 'by_device'],
        ['sex', 'by_sex'],
        ['both', 'by_device_sex'],
      ]) {
        const { breakdowns } = await funnel({ breakdown: { attribute } })
        const got = breakdowns.map(({ value, steps }: Reference) => [value, counts(steps)])
        expect(Object.fromEntries(got)).toEqual(wanted[key!])
      }
      for (const [month, all] of Object.entries(wanted.by_month)) {
        const [year, number] = month.split('-').map(Number)
        const bounds = { from: `${month}-01`, to: new Date(Date.UTC(year!, number!, 1)).toISOString() }
        const answer = await funnel({ ...bounds, breakdown: { attribute: 'device' } })
        expect(counts(answer.steps)).toEqual(all)
        for (const { value, steps } of answer.breakdowns)
          expect(counts(steps)).toEqual(wanted.by_month_device[`${month}|${value}`])
      }
      const { breakdowns } = await funnel({ breakdown: { attribute: 'device' } })
      for (const [value, key] of [
        ['Desktop', 'control'],
        ['Mobile', 'treatment'],
      ]) {
        const last = breakdowns.find((group: Reference) => group.value === value).steps.at(-1)
        const { rate, wilson95 } = wanted.mobile_vs_desktop_overall_conversion[key!]
        expect(last.conversionFromStart).toBeCloseTo(rate, 12)
        expect(last.ci[0]).toBeCloseTo(wilson95[0], 9)
        expect(last.ci[1]).toBeCloseTo(wilson95[1], 9)
      }
    })
  })
})

/** Nobody wrote down when a page was seen: all of a user's pages have the user's date, in the order of the pages. */
function* pageLines(): Generator<object> {
  const table = (name: string): Record<string, string>[] =>
    parse(
      execFileSync('tar', ['xzOf', sharedFile('data', 'page_tables.tgz'), name], { maxBuffer: 1 << 28 }),
      {
        columns: true,
      },
    )
  const seen = PAGES.map((page) => {
    const rows = table(`${page.replace('confirmation_page', 'confirmation')}_table.csv`)
    return { page, users: new Set(rows.map(({ user_id }) => user_id)) }
  })
  for (const { user_id, date, device, sex } of table('user_table.csv')) {
    const at = `${date}T00:00:00.000Z`
    yield { session: user_id, attributes: { device, sex, both: `${device}|${sex}` }, at }
    for (const { page, users } of seen) if (users.has(user_id)) yield { session: user_id, step: page, at }
  }
}
