import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sequentialCritical, sequentialTest } from '../../../src/analysis/statistics/confidenceSequence.ts'
import {
  classicalBounds,
  obrienFlemingSpending,
  pocockSpending,
  powerSpending,
  spendingBounds,
} from '../../../src/analysis/statistics/groupSequential.ts'
import { mixtureSprt, mixtureSprtP } from '../../../src/analysis/statistics/msprt.ts'

describe('confidence sequences', () => {
  test('p reaches alpha exactly where the interval touches 0, on either side', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 5_000_000 }),
        fc.constantFrom('two' as const, 'greater' as const, 'less' as const),
        fc.constantFrom(0.01, 0.05, 0.1),
        (n, side, alpha) => {
          const estimate = sequentialCritical(n, { alpha, side }) * (side === 'less' ? -1 : 1)
          const { p, ci } = sequentialTest({ estimate, standardError: 1, df: n, n }, { alpha, side })
          expect(p).toBeCloseTo(alpha, 9)
          expect(ci[side === 'less' ? 1 : 0]).toBeCloseTo(0, 9)
        },
      ),
    ))

  test('the interval is never narrower than the fixed one', () => {
    for (let n = 2; n < 1e9; n *= 3) expect(sequentialCritical(n)).toBeGreaterThan(2.9)
  })

  test('it reaches least, in standard errors, near the tuned size', () => {
    const at = (n: number) => sequentialCritical(n, { tuning: 5000 })
    expect(at(5000)).toBeLessThan(at(1000))
    expect(at(5000)).toBeLessThan(at(50_000))
  })

  test('no spread is no evidence', () => {
    expect(sequentialTest({ estimate: 1, standardError: 0, df: Number.NaN, n: 4 }).p).toBe(1)
  })
})

describe('group sequential bounds', () => {
  test('spending bounds are Lan and DeMets’s, and the last look spends what is left', () => {
    const bounds = spendingBounds([0.2, 0.4, 0.6, 0.8, 1])
    for (const [look, bound] of [4.8769, 3.3569, 2.6803, 2.2898, 2.031].entries())
      expect(bounds[look]).toBeCloseTo(bound, 3)
    expect(spendingBounds([1])[0]).toBeCloseTo(1.96, 3)
    expect(spendingBounds([1], 0.05, pocockSpending)[0]).toBeCloseTo(1.96, 3)
  })

  test('every spending function spends nothing at first and alpha in the end', () => {
    for (const spending of [obrienFlemingSpending, pocockSpending, powerSpending(3)]) {
      expect(spending(0, 0.05)).toBe(0)
      expect(spending(1, 0.05)).toBeCloseTo(0.05, 12)
    }
  })

  test('classical constants are those of Jennison and Turnbull', () => {
    // Tables 2.1 and 2.3 at alpha 0.05
    expect(classicalBounds(5)[0]).toBeCloseTo(2.413, 3)
    expect(classicalBounds(2)[0]).toBeCloseTo(2.178, 3)
    expect(classicalBounds(5, 0.05, 0).at(-1)).toBeCloseTo(2.04, 3)
    expect(classicalBounds(10, 0.05, 0).at(-1)).toBeCloseTo(2.087, 3)
  })
})

test('the mixture SPRT’s p is alpha at its own bound', () => {
  const variance = 0.0004
  const { tau, critical } = mixtureSprt(variance, 0.05, 0.05)
  expect(mixtureSprtP(critical * Math.sqrt(variance), variance, tau)).toBeCloseTo(0.05, 12)
  expect(mixtureSprtP(0, variance, tau)).toBe(1)
})
