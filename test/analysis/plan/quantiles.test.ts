import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupedQuantiles, quantiles, sampleOf } from '../../../src/analysis/plan/quantiles.ts'
import { percentileCont } from '../funnel/referenceFunnel.ts'

const SHARES = [0, 0.1, 0.5, 0.9, 1]

/** Values of several scales, with many equal ones, enough of them that not all can be sorted at once. */
const many = fc
  .record({
    size: fc.integer({ min: 0, max: 12_000 }),
    seed: fc.integer(),
    distinct: fc.constantFrom(1, 2, 7, 1000, 1e9),
    parts: fc.integer({ min: 1, max: 4 }),
    groups: fc.integer({ min: 2, max: 6 }),
  })
  .map(({ size, seed, distinct, parts, groups }) => {
    let state = seed >>> 0
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) ** 3 * below)
    }
    const values = Float64Array.from({ length: size }, () => next(distinct))
    const group = Uint32Array.from({ length: size }, () => next(groups))
    const cuts = [0, ...Array.from({ length: parts - 1 }, () => next(size + 1)).sort((a, b) => a - b), size]
    return { values, group, groups, cuts }
  })

test('quantiles of all and of each group, in any parts, are those of the values in order', () => {
  fc.assert(
    fc.property(
      many,
      fc.constantFrom(1e9, Number.POSITIVE_INFINITY),
      ({ values, group, groups, cuts }, within) => {
        const parts = cuts
          .slice(1)
          .map((to, i) => ({ values: values.subarray(cuts[i], to), group: group.subarray(cuts[i], to) }))
          .map((part) => sampleOf([part], groups, within))
        const { all, of } = groupedQuantiles(parts, groups, SHARES, { within })
        const expected = (chosen: readonly number[]) =>
          SHARES.map((share) => percentileCont(chosen, share) ?? Number.NaN)
        same(all, expected([...values]))
        expect(quantiles(values, SHARES)).toEqual(all)
        for (let g = 0; g < groups; g++) same(of[g]!, expected([...values].filter((_, i) => group[i] === g)))
      },
    ),
    { numRuns: 40 },
  )
})

function same(found: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of expected.entries()) {
    if (Number.isNaN(value)) expect(found[i]).toBeNaN()
    else expect(found[i]).toBeCloseTo(value, 6)
  }
}
