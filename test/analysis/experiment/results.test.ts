import { describe, expect, test } from 'vitest'
import { judgeGuardrail } from '../../../src/analysis/experiment/guardrail.ts'
import { experimentResults } from '../../../src/analysis/experiment/results.ts'
import { dailySeries } from '../../../src/analysis/experiment/series.ts'
import { aggregate } from '../../../src/analysis/experiment/units.ts'
import { adjustP } from '../../../src/analysis/statistics/multipleTesting.ts'
import { conversions, dataOf, metric, spec } from './support.ts'

describe('results', () => {
  test('a plain win ships, by the fixed and by the always-valid test', () => {
    const data = conversions({ x: 1000, n: 10_000 }, { x: 1300, n: 10_000 })
    for (const sequential of [false, true]) {
      const { decision, metrics } = experimentResults(spec([metric('m')], { sequential }), data)
      expect(decision).toMatchObject({ verdict: 'ship', variant: 'treatment' })
      const [, treatment] = metrics[0]!.variants
      expect(treatment!.pSequential).toBeGreaterThan(treatment!.p!)
      expect(treatment!.ciSequential![0]).toBeLessThan(treatment!.ciFixed![0])
    }
  })

  test('a difference that only a fixed test believes goes on when one may look at any time', () => {
    const data = conversions({ x: 1000, n: 10_000 }, { x: 1090, n: 10_000 })
    expect(experimentResults(spec([metric('m')]), data).decision.verdict).toBe('ship')
    expect(experimentResults(spec([metric('m')], { sequential: true }), data).decision.verdict).toBe(
      'continue',
    )
  })

  test('for a metric that should fall, falling is winning', () => {
    const data = conversions({ x: 1300, n: 10_000 }, { x: 1000, n: 10_000 })
    const down = experimentResults(spec([metric('m', { direction: 'decrease' })]), data)
    expect(down.decision.verdict).toBe('ship')
    expect(down.metrics[0]!.variants[1]!.chanceToBeatControl).toBeGreaterThan(0.999)
    expect(down.metrics[0]!.variants[1]!.expectedLoss).toBeLessThan(1e-6)
    const up = experimentResults(spec([metric('m')]), data)
    expect(up.decision.verdict).toBe('rollback')
    expect(up.metrics[0]!.variants[1]!.expectedLoss).toBeCloseTo(0.03, 3)
  })

  test('arms that were not filled by the weights make everything invalid', () => {
    const { decision, srm } = experimentResults(
      spec([metric('m')]),
      conversions({ x: 10, n: 1000 }, { x: 90, n: 1200 }),
    )
    expect(srm).toMatchObject({ verdict: 'mismatch', df: 1 })
    expect(decision.verdict).toBe('invalid')
    expect(decision.reasons[0]).toContain('sample ratio mismatch')
  })

  test('a bandit is held to the weights it had, not to those it started with', () => {
    const data = conversions({ x: 10, n: 1000 }, { x: 15, n: 1500 })
    const found = experimentResults(spec([metric('m')]), { ...data, expectedShares: [1010, 1490] })
    expect(found.srm.verdict).toBe('ok')
  })

  test('units exposed to several variants are counted and left out', () => {
    const data = dataOf([0, 1, -1, 1, 0], [{ numerator: [1, 0, 1, 1, 0] }])
    const found = experimentResults(spec([metric('m')]), data)
    expect(found).toMatchObject({ exposed: 5, multiExposed: 1, assigned: 5 })
    expect(found.metrics[0]!.variants.map(({ n, sum }) => [n, sum])).toEqual([
      [2, 1],
      [2, 1],
    ])
  })

  test('nobody exposed yet: nulls, no NaN, and going on', () => {
    const found = experimentResults(
      spec([metric('m'), metric('r', { type: 'ratio' })]),
      dataOf([], [{ numerator: [] }, { numerator: [] }]),
    )
    expect(found.decision).toEqual({ verdict: 'continue', reasons: ['no exposed units yet'] })
    expect(JSON.stringify(found)).toBe(JSON.stringify(JSON.parse(JSON.stringify(found))))
    expect(found.metrics[0]!.variants[1]).toMatchObject({
      n: 0,
      mean: null,
      p: null,
      ciFixed: null,
      pSequential: null,
    })
    expect(found.srm).toMatchObject({ p: null, verdict: 'unknown' })
  })

  test('a handful of units decides nothing, however they differ', () => {
    const { decision } = experimentResults(spec([metric('m')]), conversions({ x: 0, n: 6 }, { x: 6, n: 6 }))
    expect(decision.verdict).toBe('continue')
    expect(decision.reasons[0]).toContain('too few')
  })

  test('a ratio is the total of one over the total of the other, a mean the total over the events', () => {
    const data = dataOf(
      [0, 0, 0, 1, 1, 1],
      [{ numerator: [10, 0, 5, 9, 30, 3], denominator: [2, 1, 2, 3, 4, 1] }],
    )
    const found = experimentResults(spec([metric('m', { type: 'ratio' })]), data)
    expect(found.metrics[0]!.variants.map(({ mean, sum, n }) => [mean, sum, n])).toEqual([
      [3, 15, 3],
      [5.25, 42, 3],
    ])
    expect(found.metrics[0]!.variants[1]!.relative).toBeCloseTo(0.75, 12)
  })

  test('winsorising caps both arms at one value', () => {
    const numerator = [1, 2, 3, 4, 1000, 2, 3, 4, 5, 6]
    const data = dataOf([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], [{ numerator, winsorise: { high: 0.85 } }])
    const found = experimentResults(spec([metric('m', { type: 'sum' })]), data)
    expect(found.metrics[0]!.variants[0]!.sum).toBeCloseTo(1 + 2 + 3 + 4 + 5.65, 9)
  })

  test('a unit without the covariate is left as it is', () => {
    const numerator = [1, 2, 3, 4, 5, 9]
    const with3 = experimentResults(
      spec([metric('m', { type: 'sum' })]),
      dataOf([0, 0, 0, 1, 1, 1], [{ numerator }], { covariate: [1, 2, 3, 1, 2, Number.NaN] }),
    )
    const filled = experimentResults(
      spec([metric('m', { type: 'sum' })]),
      dataOf([0, 0, 0, 1, 1, 1], [{ numerator }], { covariate: [1, 2, 3, 1, 2, 9 / 5] }),
    )
    expect(with3).toEqual(filled)
    expect(with3.metrics[0]!.variants[1]!.cuped!.theta).toBeGreaterThan(0)
  })

  test('an arm that nobody is in is compared with nothing, adjusted or not', () => {
    const variants = ['c', 't', 'empty'].map((key) => ({ key, weight: 1 }))
    const found = experimentResults(
      spec([metric('m', { type: 'sum' })], { variants }),
      dataOf([0, 0, 0, 1, 1, 1], [{ numerator: [1, 2, 3, 4, 5, 9] }], {
        variants: 3,
        covariate: [1, 2, 3, 1, 2, 3],
      }),
    )
    expect(found.metrics[0]!.variants[2]).toMatchObject({
      n: 0,
      mean: null,
      absolute: null,
      cuped: { theta: null, varianceReduction: null, absolute: null, p: null, ci: null },
    })
  })

  test('correction runs over every treatment and metric but the guardrails', () => {
    const metrics = [metric('a'), metric('b', { role: 'secondary' }), metric('g', { role: 'guardrail' })]
    const arms = [0, 1, 2].flatMap((arm) => new Array<number>(200).fill(arm))
    const rising = (step: number) => ({
      numerator: arms.map((arm, unit) => (unit % 200 < 40 + step * arm ? 1 : 0)),
    })
    const data = dataOf(arms, [rising(5), rising(8), rising(1)], { variants: 3 })
    const variants = ['c', 't', 'u'].map((key) => ({ key, weight: 1 }))
    const found = experimentResults(spec(metrics, { variants, correction: 'holm' }), data)
    const family = found.metrics.slice(0, 2).flatMap(({ variants: results }) => results.slice(1))
    const wanted = adjustP(
      family.map(({ p }) => p!),
      'holm',
    )
    expect(family.map(({ pAdjusted }) => pAdjusted)).toEqual(wanted)
    expect(wanted[3]).toBeCloseTo(family[3]!.p! * 4, 12)
    expect(found.metrics[2]!.variants[1]!.pAdjusted).toBeNull()
    expect(found.metrics[2]!.variants[1]!.guardrail).toBe('held')
  })

  test('with a lift worth finding it says how many units and days that takes', () => {
    const data = { ...conversions({ x: 100, n: 1000 }, { x: 103, n: 1000 }), unitsPerDay: 500 }
    const { outlook } = experimentResults(spec([metric('m', { mde: 0.1 })]), data).metrics[0]!
    expect(outlook!.requiredUnits).toBeGreaterThan(28_000)
    expect(outlook!.daysToGo).toBeCloseTo((outlook!.requiredUnits! - 2000) / 500, 9)
    expect(outlook!.detectableLift).toBeGreaterThan(0.3)
  })
})

describe('guardrails', () => {
  const up = metric('g', { role: 'guardrail' })

  test('without a margin they hold until harm shows', () => {
    expect(judgeGuardrail([-0.1, 0.1], up)).toBe('held')
    expect(judgeGuardrail([-0.2, -0.1], up)).toBe('harmed')
    expect(judgeGuardrail(null, up)).toBe('held')
  })

  test('with a margin they hold only when worse than it is ruled out', () => {
    const withMargin = { ...up, margin: 0.05 }
    expect(judgeGuardrail([-0.04, 0.1], withMargin)).toBe('held')
    expect(judgeGuardrail([-0.06, 0.1], withMargin)).toBe('open')
    expect(judgeGuardrail([-0.09, -0.06], withMargin)).toBe('harmed')
    expect(judgeGuardrail([-0.04, -0.01], withMargin)).toBe('held')
    expect(judgeGuardrail(null, withMargin)).toBe('open')
  })

  test('for a metric that should fall, rising is harm', () => {
    expect(judgeGuardrail([0.1, 0.2], { ...up, direction: 'decrease' })).toBe('harmed')
    expect(judgeGuardrail([-0.2, -0.1], { ...up, direction: 'decrease' })).toBe('held')
  })

  test('an open guardrail holds shipping back, a harmed one rolls back', () => {
    const variant = [0, 1].flatMap((arm) => new Array<number>(4000).fill(arm))
    const win = variant.map((arm, unit) => (unit % 10 < (arm === 0 ? 1 : 2) ? 1 : 0))
    const harm = variant.map((arm, unit) => (unit % 10 < (arm === 0 ? 2 : 1) ? 1 : 0))
    const even = variant.map((_, unit) => (unit % 10 < 3 ? 1 : 0))
    const decide = (numerator: number[], margin?: number) =>
      experimentResults(
        spec([metric('m'), metric('g', { role: 'guardrail', ...(margin === undefined ? {} : { margin }) })]),
        dataOf(variant, [{ numerator: win }, { numerator }]),
      ).decision.verdict
    expect(decide(even)).toBe('ship')
    expect(decide(even, 0.001)).toBe('continue')
    expect(decide(even, 0.05)).toBe('ship')
    expect(decide(harm)).toBe('rollback')
  })
})

test('the series’ last day is the whole result', () => {
  const variant = [0, 1, 0, 1, 0, 1, 1, 0]
  const table = {
    size: 8,
    variant,
    metrics: [{ numerator: [1, 0, 0, 1, 1, 1, 1, 0] }],
    cell: [0, 0, 0, 1, 1, 1, 2, 2],
  }
  const only = spec([metric('m')])
  const series = dailySeries(only, ['2024-01-01', '2024-01-02', '2024-01-03'], aggregate(table, 2, 3))
  expect(series.map(({ exposed }) => exposed)).toEqual([3, 6, 8])
  const [, last] = series.at(-1)!.metrics[0]!.variants
  const [, whole] = experimentResults(only, dataOf(variant, table.metrics)).metrics[0]!.variants
  expect(last).toMatchObject({
    n: whole!.n,
    absolute: whole!.absolute,
    p: whole!.p,
    ciSequential: whole!.ciSequential,
  })
})
