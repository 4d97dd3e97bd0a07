import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import { planFunnel } from '../../../src/analysis/funnel/funnelPlan.ts'
import { checkFunnel } from '../../../src/analysis/funnel/funnelQuery.ts'
import { scanUnits } from '../../../src/analysis/funnel/scan.ts'
import { timeToConvert } from '../../../src/analysis/funnel/timeToConvert.ts'
import type { AnalysisSource } from '../../../src/analysis/plan/source.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../../support/sharedData.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

type Reference = any

const answers = () => sharedJson('data', 'answers', 'event_logs.json').logs

function logSource(name: string): AnalysisSource {
  const events = sharedCsv(`${name}.csv.gz`).map(
    (row): Happened => ({
      session: row.case_id!,
      at: Date.parse(row.timestamp_utc!),
      what: `step:${row.activity}`,
    }),
  )
  return sourceOf(events)
}

const sources = new Map<string, AnalysisSource>()

function log(name: string): AnalysisSource {
  const source = sources.get(name) ?? logSource(name)
  sources.set(name, source)
  return source
}

function ask(source: AnalysisSource, query: object) {
  const outcome = queryFunnel(query, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer.steps
}

const filters = (steps: readonly string[]) => steps.map((step) => ({ step }))
const counts = (rows: readonly { count: number }[]) => rows.map(({ count }) => count)

const WINDOWS: Record<string, string> = { '1h': 'PT1H', '1d': 'P1D', '30d': 'P30D', '180d': 'P180D' }

describe.skipIf(sharedMissing)(`real event logs${needsSharedData}`, () => {
  for (const name of ['helpdesk', 'sepsis', 'bpi2012']) {
    test(`${name}: funnels by every anchor, window and tie rule equal an independent count`, () => {
      const source = log(name)
      for (const { steps: named, ...expected } of Object.values<Reference>(answers()[name].funnels)) {
        const steps = filters(named)
        const strict = ask(source, { steps })
        expect(counts(strict)).toEqual(expected.counts.strict)
        expect(counts(ask(source, { steps, ties: 'any' }))).toEqual(expected.counts.ties_any_order)
        for (const [entry, key] of [
          ['first', 'first_anchor'],
          ['any', 'any_anchor'],
        ]) {
          const week = ask(source, { steps, entry, window: 'P7D' })
          expect(counts(week)).toEqual(expected.counts[`window7d_${key}`])
          for (const [window, by] of Object.entries<Reference>(expected.other_windows)) {
            expect(counts(ask(source, { steps, entry, window: WINDOWS[window] }))).toEqual(by[key!])
          }
        }
        const unordered = named.map((_: string, k: number) => {
          const distinct = [...new Set<string>(named.slice(0, k + 1))]
          return counts(ask(source, { steps: filters(distinct), order: 'unordered' })).at(-1)
        })
        expect(unordered).toEqual(expected.counts.unordered)
        expect(strict.map((row) => row.conversionFromPrevious)).toEqual(expected.strict_step_conversion)
        expect(strict.map((row) => row.conversionFromStart)).toEqual(expected.strict_overall_conversion)
        for (const [i, times] of expected.time_to_convert.entries()) {
          expect(strict[i + 1]!.medianSeconds).toBeCloseTo(times.median_cont_s, 6)
          expect(strict[i + 1]!.p90Seconds).toBeCloseTo(times.p90_cont_s, 6)
        }
      }
    })

    test(`${name}: times to convert equal an independent count`, () => {
      const source = log(name)
      for (const { steps, time_to_convert, total_time } of Object.values<Reference>(
        answers()[name].funnels,
      )) {
        const outcome = timeToConvert({ steps: filters(steps) }, source)
        if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
        const { total, perStep, histogram, survival } = outcome.answer
        const rows = [...perStep.map((row, i) => [row, time_to_convert[i]]), [total, total_time]]
        for (const [got, expected] of rows) {
          expect(got.n).toBe(expected.n)
          expect(got.median).toBeCloseTo(expected.median_cont_s, 6)
          expect(got.p90).toBeCloseTo(expected.p90_cont_s, 6)
          expect(got.mean).toBeCloseTo(expected.mean_s, 6)
        }
        expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBe(total.n)
        expect(survival[0]!.atRisk).toBeLessThanOrEqual(answers()[name].n_cases)
      }
    })

    test(`${name}: every case gets as deep as an independent walk`, () => {
      const source = log(name)
      for (const { steps, depth_digest } of Object.values<Reference>(answers()[name].funnels)) {
        const checked = checkFunnel({ steps: filters(steps) }, source)
        if ('faults' in checked) throw new Error(JSON.stringify(checked.faults))
        const depths = new Map<number, number>()
        scanUnits(planFunnel(checked.funnel, source, () => {}).plan, ({ unit }, { depth }) =>
          depths.set(unit, depth),
        )
        const lines = Array.from({ length: source.index.sessions.size }, (_, unit) => {
          return `${source.index.sessions.text(unit)},${depths.get(unit) ?? 0}`
        })
        const sorted = lines.map((line) => Buffer.from(line)).sort(Buffer.compare)
        const digest = createHash('sha256')
        for (const line of sorted) digest.update(line).update('\n')
        expect(digest.digest('hex')).toBe(depth_digest)
      }
    })
  }
})
