import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { sharedCsv, sharedJson } from '../support/sharedData.ts'
import { type Ask, counts, filters } from './realData.ts'

type Reference = any

const WINDOWS: Record<string, string> = { '1h': 'PT1H', '1d': 'P1D', '30d': 'P30D', '180d': 'P180D' }

/** What another tool found in an event log, asked for over HTTP. */
export function analysedAsAnotherToolDoes(name: string, ask: Ask): void {
  const expected = () => sharedJson('data', 'answers', 'event_logs.json').logs[name]
  const funnel = async (query: object) => (await ask('funnels/query', query)).steps

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

      const { total, perStep } = await ask('funnels/time-to-convert', { steps })
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
      const { cohorts } = await ask('retention/query', {
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
}

export function walkedCaseByCase(ask: Ask): void {
  test('every case gets as deep as an independent walk, one by one', async () => {
    const { steps, depth_digest } = sharedJson('data', 'answers', 'event_logs.json').logs.sepsis.funnels.main
    const cases = [...new Set(sharedCsv('sepsis.csv.gz').map((row) => row.case_id!))]
    const lines: Buffer[] = []
    for (let i = 0; i < cases.length; i += 25) {
      const explained = cases.slice(i, i + 25).map(async (unitId) => {
        const { reached } = await ask('funnels/explain', { steps: filters(steps), unitId })
        lines.push(Buffer.from(`${unitId},${reached}`))
      })
      await Promise.all(explained)
    }
    const digest = createHash('sha256')
    for (const line of lines.sort(Buffer.compare)) digest.update(line).update('\n')
    expect(digest.digest('hex')).toBe(depth_digest)
  })
}
