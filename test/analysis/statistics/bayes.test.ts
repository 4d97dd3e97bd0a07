import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chanceToBeBest, withFloor } from '../../../src/analysis/statistics/bandit.ts'
import { comparePosteriors, effectPosterior, normalRisk } from '../../../src/analysis/statistics/bayes.ts'
import {
  betaPosterior,
  credibleInterval,
  normalPosterior,
} from '../../../src/analysis/statistics/posterior.ts'

const parameter = fc.oneof(fc.double({ min: 0.3, max: 3, noNaN: true }), fc.integer({ min: 1, max: 200_000 }))

describe('Beta posteriors', () => {
  test('small ones agree with the exact sum', () => {
    // P(B > A), A ~ Beta(2, 3), B ~ Beta(3, 2): by counting, Σ over the integer parameters of B.
    expect(comparePosteriors(betaPosterior(2, 3), betaPosterior(3, 2)).chanceToBeat).toBeCloseTo(
      0.757142857142857,
      13,
    )
    expect(comparePosteriors(betaPosterior(1, 1), betaPosterior(1, 1)).chanceToBeat).toBeCloseTo(0.5, 13)
    // E[max(A − B, 0)] of two uniforms
    expect(comparePosteriors(betaPosterior(1, 1), betaPosterior(1, 1)).lossIfTreatment).toBeCloseTo(1 / 6, 13)
  })

  test('what shipping either arm costs differs by their means, and the chances are each other’s rest', () =>
    fc.assert(
      fc.property(parameter, parameter, parameter, parameter, (a, b, c, d) => {
        const [control, treatment] = [betaPosterior(a, b), betaPosterior(c, d)]
        const there = comparePosteriors(control, treatment)
        const back = comparePosteriors(treatment, control)
        // The worst of 8,000 draws: 6e-15 and 7e-13.
        expect(there.lossIfControl - there.lossIfTreatment).toBeCloseTo(treatment.mean - control.mean, 12)
        expect(there.chanceToBeat + back.chanceToBeat).toBeCloseTo(1, 10)
        expect(back.lossIfControl).toBeCloseTo(there.lossIfTreatment, 12)
      }),
      { numRuns: 60 },
    ))

  test('far apart and narrow, what shipping either costs is still their difference', () => {
    const [control, treatment] = [betaPosterior(33, 50_120), betaPosterior(153_430, 54)]
    const { lossIfControl, lossIfTreatment } = comparePosteriors(control, treatment)
    expect(lossIfControl - lossIfTreatment).toBeCloseTo(treatment.mean - control.mean, 14)
  })

  test('a credible interval holds its share', () => {
    expect(credibleInterval(betaPosterior(1, 1))).toEqual([
      expect.closeTo(0.025, 12),
      expect.closeTo(0.975, 12),
    ])
    const [low, high] = credibleInterval(betaPosterior(0.5, 0.5))
    // Arcsine distribution
    expect(low).toBeCloseTo(Math.sin((Math.PI * 0.025) / 2) ** 2, 12)
    expect(high).toBeCloseTo(1 - Math.sin((Math.PI * 0.025) / 2) ** 2, 12)
  })
})

describe('normal posteriors', () => {
  test('two losses differ by the mean, far out as well as near', () =>
    fc.assert(
      fc.property(fc.double({ min: -60, max: 60, noNaN: true }), (mean) => {
        const { lossIfControl, lossIfTreatment } = normalRisk(mean, 1)
        expect(lossIfControl - lossIfTreatment).toBeCloseTo(mean, 9)
        expect(Math.min(lossIfControl, lossIfTreatment)).toBeGreaterThanOrEqual(0)
      }),
    ))

  test('the loss far out is small but right', () => {
    // φ(10)/10² · (1 − 3/10² + …): 7.474e-25 by mpmath
    expect(normalRisk(10, 1).lossIfTreatment / 7.474560254e-25).toBeCloseTo(1, 8)
    expect(normalRisk(5 - 1e-9, 1).lossIfTreatment / normalRisk(5 + 1e-9, 1).lossIfTreatment).toBeCloseTo(
      1,
      6,
    )
  })

  test('quadrature and closed form agree', () => {
    const found = comparePosteriors(normalPosterior(1, 0.3), normalPosterior(1.2, 0.4))
    const exact = normalRisk(0.2, 0.5)
    expect(found.chanceToBeat).toBeCloseTo(exact.chanceToBeat, 12)
    expect(found.lossIfTreatment).toBeCloseTo(exact.lossIfTreatment, 12)
  })

  test('a certain effect costs nothing on its good side', () => {
    expect(normalRisk(2, 0)).toEqual({ chanceToBeat: 1, lossIfTreatment: 0, lossIfControl: 2 })
    expect(normalRisk(0, 0).chanceToBeat).toBe(0.5)
    expect(normalRisk(Number.NaN, 1).chanceToBeat).toBeNaN()
  })

  test('a prior pulls the effect towards itself by its precision', () => {
    const found = { estimate: 2, standardError: 1, df: 10, n: 12 }
    expect(effectPosterior(found, { mean: 0, variance: 1 }).mean).toBe(1)
    expect(effectPosterior(found).mean).toBe(2)
  })
})

describe('the best of several arms', () => {
  test('chances sum to 1, and a narrow arm beside a wide one is not stepped over', () => {
    const chances = chanceToBeBest([
      betaPosterior(2, 2),
      betaPosterior(500_001, 500_001),
      betaPosterior(3, 5),
    ])
    expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 12)
    // The middle arm is 0.5 all but exactly: best when neither other passes it. P(Beta(3,5) < ½) = 99/128.
    expect(chances[1]).toBeCloseTo(0.5 * (99 / 128), 4)
  })

  test('equal arms share alike, and the lowest is the rest of two', () => {
    for (const chance of chanceToBeBest([1, 2, 3, 4].map(() => normalPosterior(0, 1))))
      expect(chance).toBeCloseTo(0.25, 12)
    const arms = [betaPosterior(10, 20), betaPosterior(14, 18)]
    expect(chanceToBeBest(arms, 'lowest')[0]).toBeCloseTo(chanceToBeBest(arms)[1]!, 12)
    expect(chanceToBeBest([arms[0]!])).toEqual([1])
  })

  test('a floor keeps the order, adds to 1, and gives way to equal weights', () => {
    const floored = withFloor([0.7, 0.2, 0.1], 0.05)
    expect(floored.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12)
    expect(Math.min(...floored)).toBeGreaterThanOrEqual(0.05)
    expect(floored[0]).toBeGreaterThan(floored[1]!)
    expect(withFloor([1, 0, 0], 0.4)).toEqual([1 / 3, 1 / 3, 1 / 3])
    expect(withFloor([0.6, 0.4], -1)).toEqual([0.6, 0.4])
  })
})
