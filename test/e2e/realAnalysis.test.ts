import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { needsSharedData, sharedCsv, sharedFile, sharedJson, sharedMissing } from '../support/sharedData.ts'

type Reference = any

const timeout = 180_000
const WINDOWS: Record<string, string> = { '1h': 'PT1H', '1d': 'P1D', '30d': 'P30D', '180d': 'P180D' }
const PAGES = ['home_page', 'search_page', 'payment_page', 'payment_confirmation_page']

describe.skipIf(sharedMissing)(`real histories analysed over HTTP${needsSharedData}`, { timeout }, () => {
  let service: TestService
  const analysts = new Map<string, Client>()
  const positions = new Map<string, string>()

  beforeAll(async () => {
    service = await startTestService()
  })
  afterAll(() => service?.stop(), timeout)

  /** Imports a data set as a flow of a tenant of its own, once: ids of sessions are of their tenant. */
  const load = async (flowId: string, lines: Iterable<object>) => {
    const admin = await service.as(flowId, 'ada', 'admin')
    const analyst = await service.as(flowId, 'ann', 'analyst')
    analysts.set(flowId, analyst)
    await publish(admin, flowId, ['done'])
    const { status, body } = await admin.importLines(flowId, chunks(lines))
    expect([status, body.rejected]).toEqual([200, []])
    positions.set(flowId, body.position)
    // The index may need some seconds more than the import.
    for (let wait = true; wait; ) {
      const { status } = await analyst.post(`/analytics/paths?after=${body.position}`, { flowId })
      wait = status === 503
    }
  }
  const ask = async (flowId: string, path: string, query: object): Promise<Reference> => {
    const { status, body } = await analysts
      .get(flowId)!
      .post(`/analytics/${path}?after=${positions.get(flowId)}`, {
        flowId,
        ...query,
      })
    if (status !== 200) throw new Error(JSON.stringify(body))
    expect(body).toMatchObject({ exact: true, warnings: expect.any(Array) })
    return body
  }
  const filters = (steps: readonly string[]) => steps.map((step) => ({ step }))
  const counts = (rows: readonly { count: number }[]) => rows.map(({ count }) => count)

  describe.each(['helpdesk', 'sepsis', 'bpi2012'])('%s', (name) => {
    const expected = () => sharedJson('data', 'answers', 'event_logs.json').logs[name]
    const funnel = async (query: object) => (await ask(name, 'funnels/query', query)).steps

    beforeAll(
      () =>
        load(
          name,
          sharedCsv(`${name}.csv.gz`).map((row) => ({
            session: row.case_id,
            step: row.activity,
            at: row.timestamp_utc,
          })),
        ),
      timeout,
    )

    test('funnels by every anchor, window and tie rule, with times', async () => {
      for (const { steps: named, ...wanted } of Object.values<Reference>(expected().funnels)) {
        const steps = filters(named)
        const strict = await funnel({ steps })
        expect(counts(strict)).toEqual(wanted.counts.strict)
        expect(counts(await funnel({ steps, ties: 'any' }))).toEqual(wanted.counts.ties_any_order)
        for (const [entry, key] of [
          ['first', 'first_anchor'],
          ['any', 'any_anchor'],
        ]) {
          const week = await funnel({ steps, entry, window: 'P7D' })
          expect(counts(week)).toEqual(wanted.counts[`window7d_${key}`])
          for (const [window, by] of Object.entries<Reference>(wanted.other_windows))
            expect(counts(await funnel({ steps, entry, window: WINDOWS[window] }))).toEqual(by[key!])
        }
        const unordered = []
        for (const [k] of named.entries()) {
          const distinct = [...new Set<string>(named.slice(0, k + 1))]
          unordered.push(counts(await funnel({ steps: filters(distinct), order: 'unordered' })).at(-1))
        }
        expect(unordered).toEqual(wanted.counts.unordered)
        expect(strict.map((row: Reference) => row.conversionFromPrevious)).toEqual(
          wanted.strict_step_conversion,
        )
        expect(strict.map((row: Reference) => row.conversionFromStart)).toEqual(
          wanted.strict_overall_conversion,
        )

        const { total, perStep } = await ask(name, 'funnels/time-to-convert', { steps })
        const rows = perStep.map((row: Reference, i: number) => [row, wanted.time_to_convert[i]])
        for (const [got, times] of [...rows, [total, wanted.total_time]]) {
          expect(got.n).toBe(times.n)
          expect(got.median).toBeCloseTo(times.median_cont_s, 6)
          expect(got.p90).toBeCloseTo(times.p90_cont_s, 6)
          expect(got.mean).toBeCloseTo(times.mean_s, 6)
        }
        for (const [i, times] of wanted.time_to_convert.entries()) {
          expect(strict[i + 1].medianSeconds).toBeCloseTo(times.median_cont_s, 6)
          expect(strict[i + 1].p90Seconds).toBeCloseTo(times.p90_cont_s, 6)
        }
      }
    })

    test('cases by activity, and by the month and day in which they started', async () => {
      expect(counts(await funnel({ steps: [{ any: true }] }))).toEqual([expected().n_cases])
      for (const [step, cases] of Object.entries(expected().activity_case_counts))
        expect(counts(await funnel({ steps: [{ step }] })), step).toEqual([cases])
      const any = { any: true }
      const started = async (period: string) => {
        const { cohorts } = await ask(name, 'retention/query', {
          cohortBy: any,
          returnBy: any,
          period,
          periods: 1,
        })
        return cohorts.map(({ start, size }: Reference) => [start, size])
      }
      const months = Object.entries(expected().cases_started_per_utc_month)
      expect(await started('month')).toEqual(months.map(([month, size]) => [`${month}-01`, size]))
      const days = expected().cases_started_per_utc_day
      if (days) expect(await started('day')).toEqual(Object.entries(days))
    })
  })

  test('sepsis: every case gets as deep as an independent walk, one by one', async () => {
    const { steps, depth_digest } = sharedJson('data', 'answers', 'event_logs.json').logs.sepsis.funnels.main
    const cases = [...new Set(sharedCsv('sepsis.csv.gz').map((row) => row.case_id!))]
    const lines: Buffer[] = []
    for (let i = 0; i < cases.length; i += 25) {
      const explained = cases.slice(i, i + 25).map(async (unitId) => {
        const { reached } = await ask('sepsis', 'funnels/explain', { steps: filters(steps), unitId })
        lines.push(Buffer.from(`${unitId},${reached}`))
      })
      await Promise.all(explained)
    }
    const digest = createHash('sha256')
    for (const line of lines.sort(Buffer.compare)) digest.update(line).update('\n')
    expect(digest.digest('hex')).toBe(depth_digest)
  })

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

async function* chunks(lines: Iterable<object>): AsyncGenerator<Uint8Array> {
  let text: string[] = []
  for (const line of lines) {
    text.push(`${JSON.stringify(line)}\n`)
    if (text.length < 2000) continue
    yield Buffer.from(text.join(''))
    text = []
  }
  yield Buffer.from(text.join(''))
}

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
