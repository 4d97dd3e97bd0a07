import { describe, expect, test } from 'vitest'
import { experimentResults } from '../../../src/analysis/experiment/results.ts'
import { wilson } from '../../../src/analysis/statistics/twoProportions.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../../support/sharedData.ts'
import { dataOf, metric, spec } from './support.ts'

/** To ten significant digits. */
const close = (got: number | null | undefined, wanted: number): void => {
  expect(got).not.toBeNull()
  expect(Math.abs(got! - wanted)).toBeLessThanOrEqual(1e-10 * Math.max(Math.abs(wanted), 1e-300) + 1e-300)
}

describe.skipIf(sharedMissing)(`cookie cats${needsSharedData}`, () => {
  const answers = sharedMissing ? {} : sharedJson('data', 'answers', 'cookie_cats.json')

  test('two conversions and a count come out as the reference has them', () => {
    const rows = sharedCsv('cookie_cats.csv.gz')
    const flag = (name: string) => rows.map((row) => (row[name] === 'True' ? 1 : 0))
    const both = rows.map((row) => (row.retention_1 === 'True' && row.retention_7 === 'True' ? 1 : 0))
    const data = dataOf(
      rows.map((row) => (row.version === 'gate_30' ? 0 : 1)),
      [
        { numerator: flag('retention_1') },
        { numerator: flag('retention_7') },
        { numerator: both },
        { numerator: rows.map((row) => Number(row.sum_game_rounds)) },
      ],
    )
    const found = experimentResults(
      spec(
        [
          metric('retention_1'),
          metric('retention_7'),
          metric('retention_1_and_7', { role: 'guardrail', margin: 0.02 }),
          metric('sum_game_rounds_all', { type: 'count', role: 'guardrail' }),
        ],
        { correction: 'holm' },
      ),
      data,
    )
    close(found.srm.chiSquared, answers.srm_1_1.chi2)
    close(found.srm.p, answers.srm_1_1.p)
    expect(found.srm.verdict).toBe('ok')
    for (const { key, type, variants } of found.metrics) {
      const wanted = answers[key]
      const [control, treatment] = variants
      expect([control!.n, treatment!.n]).toEqual([wanted.control.n, wanted.treatment.n])
      close(treatment!.absolute, wanted.diff)
      close(treatment!.ciFixed![0], (wanted.ci95_wald ?? wanted.ci95_normal)[0])
      close(treatment!.ciFixed![1], (wanted.ci95_wald ?? wanted.ci95_normal)[1])
      close(treatment!.p, wanted.p_two_sided ?? wanted.p_welch_two_sided)
      if (type === 'count') {
        close(control!.mean, wanted.control.mean)
        close(control!.stddev, Math.sqrt(wanted.control.var))
        continue
      }
      expect([control!.sum, treatment!.sum]).toEqual([wanted.control.x, wanted.treatment.x])
      close(treatment!.relative, wanted.relative_lift)
      if (wanted.prob_treatment_better_beta11 !== undefined)
        expect(treatment!.chanceToBeatControl).toBeCloseTo(wanted.prob_treatment_better_beta11, 11)
      const interval = wilson({ x: control!.sum!, n: control!.n })
      close(interval[0], wanted.control.wilson95[0])
      close(interval[1], wanted.control.wilson95[1])
    }
    const adjusted = found.metrics.slice(0, 2).map(({ variants }) => variants[1]!.pAdjusted)
    for (const [i, p] of adjusted.entries()) close(p, answers.p_adjusted_two_metrics.holm[i])
    expect(found.decision.verdict).toBe('rollback')
    expect(found.metrics[2]!.variants[1]!.guardrail).toBe('held')
  })
})

describe.skipIf(sharedMissing)(`hillstrom${needsSharedData}`, () => {
  const answers = sharedMissing ? {} : sharedJson('data', 'answers', 'hillstrom.json').hillstrom
  const rows = sharedMissing ? [] : sharedCsv('hillstrom.csv.gz')
  const arms: string[] = sharedMissing ? [] : answers.srm.arms
  const variants = arms.map((key) => ({ key, weight: 1 }))
  const variant = rows.map((row) => arms.indexOf(row.segment!))
  const column = (name: string) => ({ numerator: rows.map((row) => Number(row[name])) })

  test.each(['visit', 'conversion', 'spend'])('%s: three arms, corrected over the treatments', (key) => {
    const data = dataOf(variant, [column(key)], { variants: 3 })
    const type = key === 'spend' ? ('sum' as const) : ('conversion' as const)
    for (const correction of ['holm', 'bh'] as const) {
      const found = experimentResults(spec([metric(key, { type })], { variants, correction }), data)
      close(found.srm.p, answers.srm.p)
      for (const [i, result] of found.metrics[0]!.variants.slice(1).entries()) {
        const wanted = answers.metrics[key][result.variant]
        close(result.p, wanted.p_two_sided ?? wanted.p_welch_two_sided)
        close(result.absolute, wanted.diff)
        close(result.ciFixed![1], (wanted.ci95_wald ?? wanted.ci95_normal)[1])
        close(
          result.pAdjusted,
          answers.metrics[key]._p_adjusted[correction === 'bh' ? 'benjamini_hochberg' : 'holm'][i],
        )
      }
      expect(found.decision).toMatchObject({ verdict: 'ship', variant: 'Mens E-Mail' })
    }
  })

  test.each(['history', 'recency'])('CUPED with %s: theta, what it bought, and the adjusted test', (name) => {
    const keys = ['visit', 'conversion', 'spend']
    const covariate = rows.map((row) => Number(row[name]))
    const data = dataOf(variant, keys.map(column), { variants: 3, covariate })
    const metrics = keys.map((key) => metric(key, { type: key === 'spend' ? 'sum' : 'conversion' }))
    const found = experimentResults(spec(metrics, { variants }), data)
    for (const { key, variants: results } of found.metrics)
      for (const result of results.slice(1)) {
        const wanted = answers.cuped[key][name][result.variant]
        close(result.cuped!.theta, wanted.theta)
        close(result.cuped!.varianceReduction, wanted.variance_reduction)
        close(result.cuped!.absolute, wanted.adjusted.diff)
        close(result.cuped!.p, wanted.adjusted.p_welch_two_sided)
        close(result.cuped!.ci![0], wanted.adjusted.ci95_normal[0])
      }
  })

  test('one channel alone', () => {
    for (const [channel, wanted] of Object.entries<Record<string, { p_two_sided: number }>>(
      answers.visit_by_channel,
    )) {
      const inside = rows.map((row, unit) => (row.channel === channel ? variant[unit]! : -1))
      const found = experimentResults(
        spec([metric('visit')], { variants }),
        dataOf(inside, [column('visit')], { variants: 3 }),
      )
      for (const result of found.metrics[0]!.variants.slice(1))
        close(result.p, wanted[result.variant]!.p_two_sided)
    }
  })
})
