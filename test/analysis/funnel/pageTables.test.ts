import { execFileSync } from 'node:child_process'
import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import type { AnalysisSource } from '../../../src/analysis/plan/source.ts'
import { needsSharedData, sharedFile, sharedJson, sharedMissing } from '../../support/sharedData.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

const PAGES = ['home_page', 'search_page', 'payment_page', 'payment_confirmation_page']

/** One file of the archive, by tar. */
const table = (name: string): Record<string, string>[] =>
  parse(execFileSync('tar', ['xzOf', sharedFile('data', 'page_tables.tgz'), name], { maxBuffer: 1 << 28 }), {
    columns: true,
  })

/** Nobody wrote down when a page was seen: all of a user's pages have the user's date, in the order of the pages. */
function pageSource(): AnalysisSource {
  const users = new Map(table('user_table.csv').map((user) => [user.user_id!, user]))
  const events: Happened[] = [...users.values()].map(({ user_id, date, device, sex }) => ({
    session: user_id!,
    at: Date.parse(date!),
    what: '!AttributesRecorded',
    properties: { attributes: { device, sex, both: `${device}|${sex}` } },
  }))
  for (const page of PAGES) {
    for (const { user_id } of table(`${page.replace('confirmation_page', 'confirmation')}_table.csv`)) {
      events.push({ session: user_id!, at: Date.parse(users.get(user_id!)!.date!), what: `step:${page}` })
    }
  }
  return sourceOf(events)
}

describe.skipIf(sharedMissing)(`a funnel of pages${needsSharedData}`, () => {
  const expected = () => sharedJson('data', 'answers', 'page_funnel.json').ecommerce_pages
  const source = sharedMissing ? sourceOf([]) : pageSource()
  const steps = PAGES.map((step) => ({ step }))
  const ask = (query: object) => {
    const outcome = queryFunnel({ steps, ...query }, source)
    if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
    return outcome.answer
  }
  const counts = (rows: readonly { count: number }[]) => rows.map(({ count }) => count)

  test('is right as a whole, by device, by sex, by both, and by month of entry', () => {
    const wanted = expected()
    expect(counts(ask({}).steps)).toEqual(wanted.funnel_all)
    for (const [attribute, key] of [
      ['device', 'by_device'],
      ['sex', 'by_sex'],
      ['both', 'by_device_sex'],
    ]) {
      const { breakdowns } = ask({ breakdown: { attribute } })
      expect(Object.fromEntries(breakdowns.map(({ value, steps }) => [value, counts(steps)]))).toEqual(
        wanted[key!],
      )
    }
    for (const [month, all] of Object.entries(wanted.by_month)) {
      const [year, number] = month.split('-').map(Number)
      const bounds = { from: `${month}-01`, to: new Date(Date.UTC(year!, number!, 1)).toISOString() }
      const answer = ask({ ...bounds, breakdown: { attribute: 'device' } })
      expect(counts(answer.steps)).toEqual(all)
      for (const { value, steps } of answer.breakdowns) {
        expect(counts(steps)).toEqual(wanted.by_month_device[`${month}|${value}`])
      }
    }
  })

  test('has the Wilson intervals of an independent computation', () => {
    const { breakdowns } = ask({ breakdown: { attribute: 'device' } })
    const wanted = expected().mobile_vs_desktop_overall_conversion
    for (const [value, key] of [
      ['Desktop', 'control'],
      ['Mobile', 'treatment'],
    ]) {
      const last = breakdowns.find((group) => group.value === value)!.steps.at(-1)!
      expect(last.conversionFromStart).toBeCloseTo(wanted[key!].rate, 12)
      expect(last.ci![0]).toBeCloseTo(wanted[key!].wilson95[0], 9)
      expect(last.ci![1]).toBeCloseTo(wanted[key!].wilson95[1], 9)
    }
  })
})
