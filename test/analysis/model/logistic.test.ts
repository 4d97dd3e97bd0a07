import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cholesky, inverseFrom, solveWith } from '../../../src/analysis/model/cholesky.ts'
import { evaluate } from '../../../src/analysis/model/evaluation.ts'
import { fitLogistic, type LogisticModel } from '../../../src/analysis/model/logistic.ts'
import { predict, predictAll } from '../../../src/analysis/model/predict.ts'
import { auc, calibration } from '../../../src/analysis/model/quality.ts'
import { heldOut } from '../../../src/analysis/model/split.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../../support/sharedData.ts'

const fitted = (fit: ReturnType<typeof fitLogistic>): LogisticModel =>
  'fault' in fit ? expect.fail(fit.detail) : fit

describe('fitting', () => {
  const outcomes = [0, 0, 0, 1, 0, 1, 1, 1, 0, 1]
  const x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  const noise = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]

  test('at the maximum the residuals are orthogonal to every feature', () => {
    const model = fitted(fitLogistic({ features: ['x', 'noise'], columns: [x, noise], outcomes }))
    const p = predictAll(model, [x, noise])
    for (const column of [x.map(() => 1), x, noise])
      expect(column.reduce((sum, value, row) => sum + value * (outcomes[row]! - p[row]!), 0)).toBeCloseTo(
        0,
        9,
      )
  })

  test('raw and standardised coefficients say the same', () => {
    const model = fitted(fitLogistic({ features: ['x', 'noise'], columns: [x, noise], outcomes }, 0.5))
    expect(predict(model, [3, 4]).p).toBeCloseTo(predictAll(model, [[3], [4]])[0]!, 12)
    expect(model.raw[1]! * model.scaling.deviation[0]!).toBeCloseTo(model.standardised[1]!, 12)
  })

  test('a single yes-or-no feature gives back the table’s log-odds and their standard error', () => {
    // 10 of 40 without, 30 of 50 with
    const feature = [...new Array(40).fill(0), ...new Array(50).fill(1)]
    const happened = feature.map((value, i) => (value === 0 ? (i < 10 ? 1 : 0) : i - 40 < 30 ? 1 : 0))
    const model = fitted(fitLogistic({ features: ['f'], columns: [feature], outcomes: happened }))
    expect(model.raw[0]).toBeCloseTo(Math.log(10 / 30), 9)
    expect(model.raw[1]).toBeCloseTo(Math.log((30 / 20) * 3), 9)
    const { p, ci } = predict(model, [0])
    expect(p).toBeCloseTo(0.25, 9)
    const reach = 1.959963984540054 * Math.sqrt(1 / 10 + 1 / 30)
    expect(Math.log(ci[1] / (1 - ci[1]))).toBeCloseTo(Math.log(1 / 3) + reach, 8)
  })

  test('a penalty draws the coefficients in, never the intercept', () => {
    const weights = [0, 1, 100, 1e6].map(
      (l2) => fitted(fitLogistic({ features: ['x'], columns: [x], outcomes }, l2)).standardised,
    )
    for (const [i, [, slope]] of weights.slice(1).entries())
      expect(Math.abs(slope!)).toBeLessThan(Math.abs(weights[i]![1]!))
    expect(weights[3]![1]).toBeCloseTo(0, 4)
    expect(weights[3]![0]).toBeCloseTo(0, 4)
    const rare = fitted(
      fitLogistic({ features: ['x'], columns: [x], outcomes: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0] }, 1e6),
    )
    expect(rare.standardised[0]).toBeCloseTo(Math.log(1 / 9), 3)
  })

  test('what has no fit says why', () => {
    const fault = (columns: number[][], y = outcomes) => {
      const fit = fitLogistic({ features: columns.map((_, i) => `f${i}`), columns, outcomes: y })
      return 'fault' in fit ? [fit.fault, fit.feature] : 'fitted'
    }
    expect(
      fault(
        [x],
        x.map(() => 1),
      ),
    ).toEqual(['one_outcome', undefined])
    expect(fault([x, x.map(() => 0.1 + 0.2)])).toEqual(['constant', 'f1'])
    expect(fault([x, noise, x.map((value, i) => 2 * value - noise[i]!)])).toEqual(['collinear', 'f2'])
    // Wholly, and only for the rows above 8 (quasi-complete).
    expect(fault([outcomes.map((y, i) => y * 10 + x[i]! / 10)])).toEqual(['separable', undefined])
    expect(fault([[0, 0, 0, 1, 0, 0, 0, 1, 0, 0]])).toEqual(['separable', undefined])
    const penalised = fitLogistic({ features: ['f'], columns: [[0, 0, 0, 1, 0, 0, 0, 1, 0, 0]], outcomes }, 1)
    expect('fault' in penalised).toBe(false)
  })

  test('factors add up to how far a row is from the average one', () => {
    const model = fitted(fitLogistic({ features: ['x', 'noise'], columns: [x, noise], outcomes }))
    const { p, factors } = predict(model, [9, 2])
    const total = factors.reduce((sum, { contribution }) => sum + contribution, model.standardised[0]!)
    expect(1 / (1 + Math.exp(-total))).toBeCloseTo(p, 12)
    expect(Math.abs(factors[0]!.contribution)).toBeGreaterThanOrEqual(Math.abs(factors[1]!.contribution))
  })
})

test('Cholesky solves and inverts, and names the dependent column', () => {
  const a = [
    [4, 2, 0.6],
    [2, 5, 1],
    [0.6, 1, 3],
  ]
  const solved = cholesky(a)
  if ('dependent' in solved) return expect.fail('positive definite')
  const b = solveWith(solved.factor, [1, 2, 3])
  for (const [i, row] of a.entries())
    expect(row.reduce((sum, value, j) => sum + value * b[j]!, 0)).toBeCloseTo(i + 1, 12)
  expect(inverseFrom(solved.factor)[0]![1]).toBeCloseTo(inverseFrom(solved.factor)[1]![0]!, 12)
  expect(
    cholesky([
      [1, 2],
      [2, 4],
    ]),
  ).toEqual({ dependent: 1 })
})

describe('quality', () => {
  const pairs = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 9 })), {
    minLength: 2,
    maxLength: 40,
  })

  test('the AUC is the share of pairs ranked right, ties half', () =>
    fc.assert(
      fc.property(pairs, (rows) => {
        const yes = rows.filter(([y]) => y === 1)
        const no = rows.filter(([y]) => y === 0)
        fc.pre(yes.length > 0 && no.length > 0)
        let right = 0
        for (const [, a] of yes) for (const [, b] of no) right += a > b ? 1 : a === b ? 0.5 : 0
        const got = auc(
          rows.map(([y]) => y),
          rows.map(([, score]) => score),
        )
        expect(got).toBeCloseTo(right / (yes.length * no.length), 12)
      }),
    ))

  test('calibration keeps equal probabilities together and loses no row', () => {
    const p = [0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9]
    const bins = calibration([0, 0, 0, 1, 0, 1, 1, 1, 1, 0], p)
    expect(bins.map(({ predicted, n }) => [Number(predicted.toFixed(2)), n])).toEqual([
      [0.1, 4],
      [0.5, 2],
      [0.9, 4],
    ])
    expect(bins.map(({ observed }) => observed)).toEqual([0.25, 0.5, 0.75])
  })

  test('a probability on the edge of two bins goes up', () => {
    const p = Array.from({ length: 11 }, (_, i) => i / 16)
    expect(
      calibration(
        p.map(() => 0),
        p,
      ).map(({ n }) => n),
    ).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2])
  })

  test('one outcome alone has no AUC, no rows no figures', () => {
    expect(evaluate([1, 1], [0.4, 0.5])!.auc).toBeNull()
    expect(evaluate([], [])).toBeNull()
  })
})

test.skipIf(sharedMissing)(`the split by hash is the data set’s own${needsSharedData}`, () => {
  for (const { row, split } of sharedCsv('model_online_shoppers.csv.gz'))
    expect(heldOut(row!)).toBe(split === 'test')
})

test.skipIf(sharedMissing)(
  `single features rank the online shoppers as the reference has it${needsSharedData}`,
  () => {
    const rows = sharedCsv('model_online_shoppers.csv.gz').filter(({ split }) => split === 'test')
    const answers = sharedJson('data', 'answers', 'online_shoppers_model.json').online_shoppers_purchase
    const outcomes = rows.map(({ revenue }) => Number(revenue))
    for (const [feature, wanted] of Object.entries(answers.single_feature_auc_test)) {
      const scores = rows.map((row) => Number(row[feature]))
      expect(auc(outcomes, scores)).toBeCloseTo(wanted as number, 12)
    }
  },
)
