import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../support/sharedData.ts'

type Json = any

const timeout = 180_000
const TENANT = 'experiments'
const BEGAN = '2026-01-01T00:00:00.000Z'
const LATER = '2026-01-02T00:00:00.000Z'

describe.skipIf(sharedMissing)(`real experiments over HTTP${needsSharedData}`, { timeout }, () => {
  let service: TestService
  let admin: Client
  let analyst: Client

  beforeAll(async () => {
    service = await startTestService()
    admin = await service.as(TENANT, 'ada', 'admin')
    analyst = await service.as(TENANT, 'ann', 'analyst')
  })
  afterAll(() => service?.stop())

  const load = async (flowId: string, lines: Iterable<object>) => {
    await publish(admin, flowId, ['done'])
    const { status, body } = await admin.importLines(flowId, chunks(lines))
    expect([status, body.rejected]).toEqual([200, []])
    // The index is then as far within seconds, however fast lines came in.
    const query = `/analytics/paths?after=${body.position}`
    while ((await analyst.post(query, { flowId, depth: 1 })).status !== 200) await delay(200)
    return body.position as string
  }
  const define = async (definition: object) => {
    const { status, body } = await admin.post('/experiments', definition)
    expect([status, body.status]).toEqual([201, 'draft'])
  }
  const resultsOf = async (key: string, after: string): Promise<Json> => {
    const { status, body } = await analyst.get(`/experiments/${key}/results?after=${after}`)
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body
  }
  const metricOf = (results: Json, key: string): Json =>
    results.metrics.find((metric: Json) => metric.key === key).variants

  describe('cookie_cats', () => {
    const expected = () => sharedJson('data', 'answers', 'cookie_cats.json')
    let results: Json

    beforeAll(async () => {
      const position = await load('cookie-cats', cookieCats())
      const metric = (key: string, type = 'conversion') => ({
        key,
        type,
        filter: { signal: key },
        direction: 'increase',
        role: 'primary',
      })
      await define({
        key: 'gate',
        flowId: 'cookie-cats',
        unit: 'user',
        variants: [
          { key: 'gate_30', weight: 1 },
          { key: 'gate_40', weight: 1 },
        ],
        metrics: [
          metric('retention_1'),
          metric('retention_7'),
          { ...metric('retention_1_and_7'), role: 'guardrail', margin: 0.02 },
          { ...metric('rounds', 'sum'), role: 'guardrail' },
        ],
        sequential: false,
        correction: 'holm',
      })
      results = await resultsOf('gate', position)
    }, timeout)

    test('units and sample ratio', () => {
      const { counts, chi2, df, p } = expected().srm_1_1
      expect(results).toMatchObject({ exposed: 90189, multiExposed: 0, assigned: 90189, exact: true })
      expect(Object.values(results.srm.observed)).toEqual(counts)
      close(results.srm, { chiSquared: chi2, df, p })
      expect(results.srm.verdict).toBe('ok')
    })

    test.each(['retention_1', 'retention_7', 'retention_1_and_7'])('%s', (key) => {
      conversion(metricOf(results, key), expected()[key])
    })

    test('corrected for two metrics', () => {
      const { holm } = expected().p_adjusted_two_metrics
      const adjusted = ['retention_1', 'retention_7'].map((key) => metricOf(results, key)[1].pAdjusted)
      closeList(adjusted, holm)
    })

    test('game rounds', () => {
      means(metricOf(results, 'rounds'), expected().sum_game_rounds_all)
    })
  })

  describe('hillstrom', () => {
    const expected = () => sharedJson('data', 'answers', 'hillstrom.json').hillstrom
    const arms = ['No E-Mail', 'Mens E-Mail', 'Womens E-Mail']
    const byCovariate = new Map<string, Json>()

    beforeAll(async () => {
      const position = await load('hillstrom', hillstrom())
      const metric = (key: string, type: string) => ({
        key,
        type,
        filter: { signal: key },
        direction: 'increase',
        role: 'primary',
      })
      for (const covariate of ['history', 'recency']) {
        await define({
          key: 'email',
          unit: 'session',
          variants: arms.map((key) => ({ key, weight: 1 })),
          metrics: [
            metric('visit', 'conversion'),
            metric('conversion', 'conversion'),
            metric('spend', 'sum'),
          ],
          covariate,
        })
        byCovariate.set(covariate, await resultsOf('email', position))
      }
    }, timeout)

    test('three arms and their sample ratio', () => {
      const { counts, chi2, df, p } = expected().srm
      const { srm } = byCovariate.get('history')
      expect(arms.map((arm) => srm.observed[arm])).toEqual(counts)
      close(srm, { chiSquared: chi2, df, p })
    })

    test.each(['visit', 'conversion', 'spend'])('%s of each arm against the control', (key) => {
      const [control, ...treatments] = metricOf(byCovariate.get('history'), key)
      for (const treatment of treatments) {
        const wanted = expected().metrics[key][treatment.variant]
        const compare = key === 'spend' ? means : conversion
        compare([control, treatment], wanted)
      }
    })

    test.each(['history', 'recency'])('CUPED by %s', (covariate) => {
      for (const key of ['visit', 'conversion', 'spend'])
        for (const treatment of metricOf(byCovariate.get(covariate), key).slice(1)) {
          const wanted = expected().cuped[key][covariate][treatment.variant]
          close(treatment.cuped, {
            theta: wanted.theta,
            varianceReduction: wanted.variance_reduction,
            absolute: wanted.adjusted.diff,
            p: wanted.adjusted.p_welch_two_sided,
          })
        }
    })

    test.each(['none', 'holm', 'bh'])('the arms of one metric corrected: %s', async (correction) => {
      for (const [key, type] of [
        ['visit', 'conversion'],
        ['conversion', 'conversion'],
        ['spend', 'sum'],
      ] as const) {
        await define({
          key: 'email',
          flowId: 'hillstrom',
          unit: 'session',
          variants: arms.map((key) => ({ key, weight: 1 })),
          metrics: [{ key, type, filter: { signal: key }, direction: 'increase', role: 'primary' }],
          correction,
        })
        const variants = metricOf(await resultsOf('email', '0'), key).slice(1)
        const plain = variants.map(({ p }: Json) => p)
        const { holm, benjamini_hochberg: bh } = expected().metrics[key]._p_adjusted
        closeList(
          variants.map(({ pAdjusted }: Json) => pAdjusted),
          { none: plain, holm, bh }[correction],
        )
      }
    })

    test.each(['Web', 'Phone', 'Multichannel'])('visits of one channel alone: %s', async (channel) => {
      await define({
        key: 'email',
        flowId: 'hillstrom',
        unit: 'session',
        variants: arms.map((key) => ({ key, weight: 1 })),
        metrics: [
          {
            key: 'visit',
            type: 'conversion',
            filter: { signal: 'visit', where: `attributes.channel == "${channel}"` },
            direction: 'increase',
            role: 'primary',
          },
        ],
      })
      const [control, ...treatments] = metricOf(await resultsOf('email', '0'), 'visit')
      for (const treatment of treatments) {
        const wanted = expected().visit_by_channel[channel][treatment.variant]
        expect([control.sum, treatment.sum]).toEqual([wanted.control.x, wanted.treatment.x])
      }
    })
  })
})

function conversion([control, treatment]: Json[], wanted: Json) {
  expect([control.n, control.sum]).toEqual([wanted.control.n, wanted.control.x])
  expect([treatment.n, treatment.sum]).toEqual([wanted.treatment.n, wanted.treatment.x])
  close(treatment, {
    mean: wanted.treatment.rate,
    absolute: wanted.diff,
    relative: wanted.relative_lift,
    p: wanted.p_two_sided,
  })
  closeList(treatment.ciFixed, wanted.ci95_wald)
  if (wanted.prob_treatment_better_beta11 !== undefined)
    expect(treatment.chanceToBeatControl).toBeCloseTo(wanted.prob_treatment_better_beta11, 5)
}

function means([control, treatment]: Json[], wanted: Json) {
  close(control, { n: wanted.control.n, mean: wanted.control.mean, stddev: Math.sqrt(wanted.control.var) })
  close(treatment, {
    n: wanted.treatment.n,
    mean: wanted.treatment.mean,
    stddev: Math.sqrt(wanted.treatment.var),
    absolute: wanted.diff,
    p: wanted.p_welch_two_sided,
  })
  closeList(treatment.ciFixed, wanted.ci95_normal)
}

/** Equal to nine digits, however small. */
function close(got: Json, wanted: Readonly<Record<string, number>>) {
  for (const [name, figure] of Object.entries(wanted))
    expect(Math.abs(got[name] / figure - 1), `${name}: ${got[name]}, not ${figure}`).toBeLessThan(1e-9)
}

function closeList(got: readonly number[], wanted: readonly number[]) {
  close(got, Object.fromEntries(wanted.entries()))
}

function* cookieCats(): Generator<object> {
  for (const row of sharedCsv('cookie_cats.csv.gz')) {
    const session = row.userid
    yield { session, exposure: { experiment: 'gate', variant: row.version }, at: BEGAN }
    yield { session, signal: 'rounds', value: Number(row.sum_game_rounds), at: LATER }
    if (row.retention_1 === 'True') yield { session, signal: 'retention_1', at: LATER }
    if (row.retention_7 === 'True') yield { session, signal: 'retention_7', at: LATER }
    if (row.retention_1 === 'True' && row.retention_7 === 'True')
      yield { session, signal: 'retention_1_and_7', at: LATER }
  }
}

function* hillstrom(): Generator<object> {
  for (const [i, row] of sharedCsv('hillstrom.csv.gz').entries()) {
    const session = `h${i}`
    const { channel } = row
    yield {
      session,
      attributes: { history: Number(row.history), recency: Number(row.recency), channel },
      at: BEGAN,
    }
    yield { session, exposure: { experiment: 'email', variant: row.segment }, at: BEGAN }
    if (row.visit === '1') yield { session, signal: 'visit', at: LATER }
    if (row.conversion === '1') yield { session, signal: 'conversion', at: LATER }
    if (row.spend !== '0') yield { session, signal: 'spend', value: Number(row.spend), at: LATER }
  }
}

async function* chunks(lines: Iterable<object>): AsyncGenerator<Uint8Array> {
  let text = ''
  for (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    if (text.length < 1 << 18) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}
