import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { multiArmTest } from '../../../src/analysis/statistics/chiSquare.ts'
import { effect, lift } from '../../../src/analysis/statistics/effect.ts'
import { adjustP, splitAlpha } from '../../../src/analysis/statistics/multipleTesting.ts'
import { oddsRatio } from '../../../src/analysis/statistics/oddsRatio.ts'
import { quantile } from '../../../src/analysis/statistics/quantile.ts'
import { quantileBoundRanks, quantileSample, sampleOf } from '../../../src/analysis/statistics/sample.ts'
import { sampleRatioTest } from '../../../src/analysis/statistics/sampleRatio.ts'
import { twoProportionTest, wilson } from '../../../src/analysis/statistics/twoProportions.ts'
import { welchTest } from '../../../src/analysis/statistics/welch.ts'
import { capsAt, winsorise } from '../../../src/analysis/statistics/winsorise.ts'

const count = fc
  .tuple(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([n, share]) => ({ n, x: Math.round(n * share) }))

describe('two proportions', () => {
  test('the pooled z squared is the chi-square of the same table', () =>
    fc.assert(
      fc.property(count, count, (a, b) => {
        const all = a.x + b.x
        fc.pre(all > 0 && all < a.n + b.n)
        const { z, p } = twoProportionTest(a, b)
        const table = multiArmTest([a, b])
        expect(z * z).toBeCloseTo(table.chiSquared, 6)
        expect(p).toBeCloseTo(table.p, 9)
      }),
    ))

  test('swapping the arms turns the difference and both intervals round', () =>
    fc.assert(
      fc.property(count, count, (a, b) => {
        const there = twoProportionTest(a, b)
        const back = twoProportionTest(b, a)
        expect(back.difference).toBeCloseTo(-there.difference, 12)
        expect(back.newcombe[0]).toBeCloseTo(-there.newcombe[1], 12)
        expect(back.wald[1]).toBeCloseTo(-there.wald[0], 12)
      }),
    ))

  test('no difference is no evidence, also where nobody converted', () => {
    expect(twoProportionTest({ x: 0, n: 10 }, { x: 0, n: 20 })).toMatchObject({ z: 0, p: 1, wald: [0, 0] })
  })

  test("Wilson's interval holds the rate and stays within 0 and 1", () =>
    fc.assert(
      fc.property(count, ({ x, n }) => {
        const [low, high] = wilson({ x, n })
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(x / n)
        expect(high).toBeGreaterThanOrEqual(x / n)
      }),
    ))
})

describe('Welch', () => {
  const a = sampleOf([1, 2, 3, 4, 5])
  const b = sampleOf([2, 4, 6, 8, 9])

  test('one-sided p-values are the two halves of the two-sided one', () => {
    const found = effect(a, b)
    const both = welchTest(found).p
    expect(welchTest(found, { side: 'greater' }).p).toBeCloseTo(both / 2, 12)
    expect(welchTest(found, { side: 'less' }).p).toBeCloseTo(1 - both / 2, 12)
    expect(welchTest(found, { side: 'greater' }).ci[1]).toBe(Number.POSITIVE_INFINITY)
  })

  test('p is below alpha exactly when the interval leaves 0 out', () => {
    const found = effect(a, b)
    for (const alpha of [0.01, 0.05, 0.1, 0.2]) {
      const { p, ci } = welchTest(found, { alpha })
      expect(p < alpha).toBe(ci[0] > 0 || ci[1] < 0)
    }
  })

  test('equal constants are no evidence; different constants are not judged', () => {
    expect(welchTest(effect(sampleOf([3, 3]), sampleOf([3, 3]))).p).toBe(1)
    expect(welchTest(effect(sampleOf([3, 3]), sampleOf([4, 4]))).p).toBeNaN()
  })

  test('a lift over a negative control has the sign of the difference', () => {
    expect(lift(-10, -5)).toBe(0.5)
    expect(
      effect({ n: 9, mean: -10, variance: 1 }, { n: 9, mean: -5, variance: 1 }, 'relative').estimate,
    ).toBe(0.5)
  })
})

describe('sample ratio', () => {
  test('an arm of weight 0 takes no degree of freedom', () => {
    expect(sampleRatioTest([500, 560, 0], [1, 1, 0])).toEqual(sampleRatioTest([500, 560], [1, 1]))
  })

  test('units in an arm of weight 0 are a mismatch for sure', () => {
    expect(sampleRatioTest([500, 500, 3], [1, 1, 0]).p).toBe(0)
  })

  test('nothing seen says nothing', () => {
    expect(sampleRatioTest([0, 0], [1, 1]).p).toBeNaN()
    expect(sampleRatioTest([10], [1]).p).toBeNaN()
  })
})

describe('several tests at once', () => {
  const ps = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 })

  test('adjusted values never fall below the plain ones and keep their order', () =>
    fc.assert(
      fc.property(
        ps,
        fc.constantFrom('bonferroni' as const, 'holm' as const, 'bh' as const),
        (p, correction) => {
          const adjusted = adjustP(p, correction)
          for (const [i, value] of p.entries()) {
            expect(adjusted[i]).toBeGreaterThanOrEqual(value)
            expect(adjusted[i]).toBeLessThanOrEqual(1)
            for (const [j, other] of p.entries())
              if (value < other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]!)
          }
        },
      ),
    ))

  test('Benjamini–Hochberg ≤ Holm ≤ Bonferroni', () =>
    fc.assert(
      fc.property(ps, (p) => {
        const [bh, holm, bonferroni] = [adjustP(p, 'bh'), adjustP(p, 'holm'), adjustP(p, 'bonferroni')]
        for (const i of p.keys()) {
          expect(bh[i]).toBeLessThanOrEqual(holm[i]! + 1e-15)
          expect(holm[i]).toBeLessThanOrEqual(bonferroni[i]! + 1e-15)
        }
      }),
    ))

  test('a test that could not be made does not count', () => {
    expect(adjustP([0.01, Number.NaN, 0.04], 'holm')).toEqual([0.02, Number.NaN, 0.04])
  })

  test('alpha is spent whole, whichever side has tests', () => {
    expect(splitAlpha({ alpha: 0.05, primaryShare: 0.6, primary: 2, others: 4 }).primary).toBeCloseTo(
      0.015,
      15,
    )
    expect(splitAlpha({ alpha: 0.05, primaryShare: 0.6, primary: 2, others: 0 })).toEqual({
      primary: 0.025,
      others: 0,
    })
    expect(splitAlpha({ alpha: 0.05, primaryShare: 0.6, primary: 0, others: 5 })).toEqual({
      primary: 0,
      others: 0.01,
    })
  })
})

describe('quantiles', () => {
  test('between two values they are interpolated, in any order of the values', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(quantile([10], 0.9)).toBe(10)
    expect(quantile([], 0.5)).toBeNaN()
    expect(
      quantile(
        Array.from({ length: 11 }, (_, i) => i),
        0.9,
      ),
    ).toBe(9)
  })

  test('the bounds of a quantile give back the spread that they came from', () => {
    const { lo, hi } = quantileBoundRanks(10_000, 0.9)
    expect([lo, hi]).toEqual([8941, 9059])
    // Uniform values: rank i is i / n, and the quantile's standard error is √(ν(1−ν)/n).
    const sample = quantileSample({ n: 10_000, q: 0.9, lo: lo / 10_000, hi: hi / 10_000 })
    expect(Math.sqrt(sample.variance / sample.n)).toBeCloseTo(0.003, 4)
  })

  test('winsorising pulls in what lies beyond the caps of all values together', () => {
    const caps = capsAt([1, 2, 3, 4, 1000], { high: 0.75 })
    expect(caps).toEqual({ low: Number.NEGATIVE_INFINITY, high: 4 })
    expect([1, 1000].map((value) => winsorise(value, caps))).toEqual([1, 4])
  })
})

describe('odds ratio', () => {
  // Smoking and lung cancer, Doll & Hill (1950), men: 647 and 2 cases, 622 and 27 controls.
  const cells = { with: { converted: 647, dropped: 622 }, without: { converted: 2, dropped: 27 } }

  test('gives the plain ratio with the interval on the log scale', () => {
    const { oddsRatio: ratio, ci } = oddsRatio(cells, { prior: 0 })
    expect(ratio).toBeCloseTo(14.04, 2)
    expect(ci[0]).toBeCloseTo(3.33, 2)
    expect(ci[1]).toBeCloseTo(59.3, 1)
  })

  test('an empty cell still gives a finite answer', () => {
    const {
      oddsRatio: ratio,
      ci,
      p,
    } = oddsRatio({ with: { converted: 0, dropped: 9 }, without: { converted: 5, dropped: 5 } })
    expect([ratio, ...ci, p].every(Number.isFinite)).toBe(true)
    expect(ratio).toBeLessThan(1)
  })
})
