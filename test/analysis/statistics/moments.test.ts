import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  adjusted,
  cuped,
  meanWithCovariate,
  ratioWithCovariate,
} from '../../../src/analysis/statistics/cuped.ts'
import {
  cupedRatioEffect,
  type RatioRow,
  ratioArm,
  ratioTheta,
} from '../../../src/analysis/statistics/cupedRatio.ts'
import {
  addUnit,
  type Moments,
  meanOf,
  mergeMoments,
  momentsOfSums,
  noMoments,
  ratioOf,
} from '../../../src/analysis/statistics/moments.ts'

const row = fc.tuple(
  fc.double({ min: -50, max: 50, noNaN: true }),
  fc.double({ min: 0.5, max: 9, noNaN: true }),
  fc.double({ min: -5, max: 5, noNaN: true }),
)

function momentsOf(rows: readonly (readonly [number, number, number])[]): Moments {
  const moments = noMoments()
  for (const [m, d, x] of rows) addUnit(moments, m, d, x)
  return moments
}

test('moments of parts merge to those of the whole', () =>
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), fc.nat(60), (rows, cut) => {
      const merged = mergeMoments(momentsOf(rows.slice(0, cut)), momentsOf(rows.slice(cut)))
      for (const [key, value] of Object.entries(momentsOf(rows)))
        expect(merged[key as keyof Moments]).toBeCloseTo(value, 6)
    }),
  ))

test('a little spread on large values is not lost', () => {
  const moments = noMoments()
  for (const value of [1e9 + 1, 1e9 + 2, 1e9 + 3]) addUnit(moments, value)
  expect(meanOf(moments).variance).toBe(1)
})

test('sums give the same as units one by one', () => {
  const units: [number, number, number][] = [
    [1, 2, 3],
    [4, 1, -2],
    [0, 3, 1],
  ]
  const total = (of: (unit: [number, number, number]) => number) =>
    units.reduce((sum, unit) => sum + of(unit), 0)
  const sums = momentsOfSums({
    n: 3,
    m: total(([m]) => m),
    mm: total(([m]) => m * m),
    d: total(([, d]) => d),
    dd: total(([, d]) => d * d),
    x: total(([, , x]) => x),
    xx: total(([, , x]) => x * x),
    md: total(([m, d]) => m * d),
    mx: total(([m, , x]) => m * x),
    dx: total(([, d, x]) => d * x),
  })
  for (const [key, value] of Object.entries(momentsOf(units)))
    expect(sums[key as keyof Moments]).toBeCloseTo(value, 12)
})

test('nothing seen has no mean, one unit no variance, no denominator no ratio', () => {
  expect(meanOf(noMoments()).mean).toBeNaN()
  expect(meanOf(momentsOf([[1, 1, 1]])).variance).toBeNaN()
  expect(ratioOf(momentsOfSums({ n: 2, m: 1, mm: 1 })).mean).toBeNaN()
})

describe('CUPED', () => {
  test('a covariate that explains all leaves no variance', () => {
    const [a, b] = [
      momentsOf([
        [2, 1, 1],
        [4, 1, 2],
        [6, 1, 3],
      ]),
      momentsOf([
        [8, 1, 4],
        [2, 1, 1],
        [4, 1, 2],
      ]),
    ]
    const found = cuped(meanWithCovariate(a), meanWithCovariate(b))
    expect(found.theta).toBeCloseTo(2, 12)
    expect(found.varianceReduction).toBeCloseTo(1, 12)
    expect(found.control.variance).toBeCloseTo(0, 12)
    expect(found.treatment.mean).toBeCloseTo(found.control.mean, 12)
  })

  test('a covariate that does not vary changes nothing', () => {
    const [a, b] = [
      momentsOf([
        [2, 1, 5],
        [4, 1, 5],
      ]),
      momentsOf([
        [1, 1, 5],
        [9, 1, 5],
      ]),
    ]
    const found = cuped(meanWithCovariate(a), meanWithCovariate(b))
    expect(found).toMatchObject({ theta: 0, varianceReduction: 0, control: meanOf(a), treatment: meanOf(b) })
  })

  test('theta is the one that leaves the least variance over both arms together', () =>
    fc.assert(
      fc.property(fc.array(row, { minLength: 4, maxLength: 40 }), (rows) => {
        const all = meanWithCovariate(momentsOf(rows))
        fc.pre(all.xx > 1e-3 && all.yy > 1e-3)
        const { theta } = cuped(
          meanWithCovariate(momentsOf(rows.slice(0, 2))),
          meanWithCovariate(momentsOf(rows.slice(2))),
        )
        const least = adjusted(all, theta, 0).variance
        for (const other of [theta - 0.01, theta + 0.01])
          expect(adjusted(all, other, 0).variance).toBeGreaterThanOrEqual(least)
      }),
    ))

  test('a ratio whose denominators are all 1 is adjusted as a mean', () => {
    const moments = momentsOf([
      [2, 1, 1],
      [5, 1, 2],
      [6, 1, 9],
    ])
    expect(ratioWithCovariate(moments)).toEqual(meanWithCovariate(moments))
  })

  test('for ratios, negating the metric negates the lift and keeps its standard error', () => {
    const rows: RatioRow[] = [
      [12, 1, 16, 1.5],
      [19, 2, 11, 1],
      [16, 1.5, 21, 2],
      [24, 2.5, 19, 2],
      [21, 2, 26, 2.5],
    ]
    const other: RatioRow[] = [
      [17, 1.5, 11, 1],
      [12, 1, 17, 1.5],
      [23, 2, 22, 2],
      [28, 2.5, 27, 2.5],
    ]
    const negated = (all: RatioRow[]) =>
      all.map(([m, d, before, dBefore]): RatioRow => [-m, d, -before, dBefore])
    const theta = ratioTheta(ratioArm(rows), ratioArm(other))
    const plain = cupedRatioEffect(ratioArm(rows), ratioArm(other), theta, 'relative')
    const turned = cupedRatioEffect(ratioArm(negated(rows)), ratioArm(negated(other)), theta, 'relative')
    expect(turned.estimate).toBeCloseTo(-plain.estimate, 12)
    expect(turned.standardError).toBeCloseTo(plain.standardError, 12)
  })
})
