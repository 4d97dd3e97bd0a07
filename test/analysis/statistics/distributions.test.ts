import { expect, test } from 'vitest'
import { chiSquareAbove, contingencyTest } from '../../../src/analysis/statistics/chiSquare.ts'
import {
  normalAbove,
  normalQuantile,
  normalTwoSided,
  twoSidedCritical,
} from '../../../src/analysis/statistics/normal.ts'
import { gaussLegendre, panels } from '../../../src/analysis/statistics/quadrature.ts'
import { tAbove, tTwoSided, tTwoSidedCritical } from '../../../src/analysis/statistics/studentT.ts'

test('a p-value of the far tail is tiny, not 0', () => {
  // scipy.stats.norm.sf(30), chi2.sf(700, 1)
  expect(normalAbove(30) / 4.906713927148187e-198).toBeCloseTo(1, 10)
  expect(chiSquareAbove(700, 1)).toBeGreaterThan(0)
  expect(chiSquareAbove(700, 1)).toBeCloseTo(normalTwoSided(Math.sqrt(700)), 160)
  expect(tTwoSided(1e6, 3)).toBeGreaterThan(0)
})

test('quantiles undo tails on both sides', () => {
  expect(twoSidedCritical(0.05)).toBeCloseTo(1.959963984540054, 14)
  for (const p of [1e-12, 0.001, 0.3, 0.5, 0.9, 1 - 1e-9])
    expect(1 - normalAbove(normalQuantile(p))).toBeCloseTo(p, 12)
  for (const df of [1, 2.5, 17.776, 90_183, 1e13])
    for (const alpha of [0.2, 0.05, 0.001])
      expect(tTwoSided(tTwoSidedCritical(alpha, df), df)).toBeCloseTo(alpha, 9)
})

test('Student with one degree of freedom is Cauchy, with very many normal', () => {
  for (const t of [0.1, 1, 7]) expect(tAbove(t, 1)).toBeCloseTo(0.5 - Math.atan(t) / Math.PI, 12)
  for (const t of [0.01, 0.8, 3, 20]) expect(tTwoSided(t, 1e11) / normalTwoSided(t)).toBeCloseTo(1, 5)
})

test('the t tail has no step where its two forms meet', () => {
  const df = 9
  const [below, above] = [tTwoSided(3 - 1e-9, df), tTwoSided(3 + 1e-9, df)]
  expect(below).toBeGreaterThan(above)
  expect(below - above).toBeLessThan(1e-9)
})

test('a chi-square without degrees of freedom has no p', () => {
  expect(chiSquareAbove(1, 0)).toBeNaN()
  expect(
    contingencyTest([
      [5, 0],
      [7, 0],
    ]).p,
  ).toBeNaN()
})

test('a contingency table leaves out rows and columns of zeros', () => {
  const plain = contingencyTest([
    [30, 70],
    [45, 55],
  ])
  expect(
    contingencyTest([
      [30, 0, 70],
      [0, 0, 0],
      [45, 0, 55],
    ]),
  ).toEqual(plain)
})

test('Gauss–Legendre of n points is exact up to degree 2n − 1', () => {
  for (const n of [2, 5, 24]) {
    const { nodes, weights } = gaussLegendre(n)
    for (let degree = 0; degree < 2 * n; degree++) {
      const got = nodes.reduce((sum, x, i) => sum + weights[i]! * x ** degree, 0)
      expect(got).toBeCloseTo(degree % 2 === 1 ? 0 : 2 / (degree + 1), 12)
    }
  }
  const { points, weights } = panels([0, 0.3, 2])
  expect(points.reduce((sum, x, i) => sum + weights[i]! * Math.exp(x), 0)).toBeCloseTo(Math.exp(2) - 1, 12)
})
