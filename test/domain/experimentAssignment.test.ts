import { GrowthBook } from '@growthbook/growthbook'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignVariant, bucketRanges, unitHash } from '../../src/domain/experimentAssignment.ts'

const rules = [
  { seed: 'cookie-cats', weights: [1, 1] },
  { seed: 'three arms, uneven', weights: [5, 3, 2], coverage: 0.7 },
  { seed: 'été', weights: [0.2, 0.2, 0.6], namespace: { key: 'checkout', from: 0.2, to: 0.65 } },
  { seed: 'bandit', weights: [0.9123, 0.0877, 0], coverage: 1 },
]

describe('assignment', () => {
  test.each(rules)(
    'agrees with GrowthBook’s SDK on 25,000 ids: $seed',
    ({ seed, weights, coverage, namespace }) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const variants = weights.map((weight, i) => ({ key: `v${i}`, weight }))
      const rule = {
        seed,
        variants,
        ...(coverage === undefined ? {} : { coverage }),
        ...(namespace ? { namespace } : {}),
      }
      const sdk = new GrowthBook()
      const counts = new Map<string, number>()
      for (let i = 0; i < 25_000; i++) {
        const id = i % 3 === 0 ? `user-${i}` : i % 3 === 1 ? `${i}` : `é${i}🙂`
        const ours = assignVariant(rule, id)
        sdk.setAttributes({ id })
        const theirs = sdk.run({
          key: seed,
          variations: variants.map(({ key }) => key) as [string, string],
          weights: weights.map((weight) => weight / total),
          hashVersion: 2,
          ...(coverage === undefined ? {} : { coverage }),
          ...(namespace ? { namespace: [namespace.key, namespace.from, namespace.to] } : {}),
        })
        const shown = theirs.inExperiment ? theirs.value : null
        if (ours.variant !== shown) expect.fail(`${id}: ${ours.variant} here, ${shown} in the SDK`)
        counts.set(String(shown), (counts.get(String(shown)) ?? 0) + 1)
      }
      sdk.destroy()
      const inside = (coverage ?? 1) * (namespace ? namespace.to - namespace.from : 1)
      for (const [i, weight] of weights.entries())
        expect((counts.get(`v${i}`) ?? 0) / 25_000).toBeCloseTo((inside * weight) / total, 1)
    },
  )

  test('says why a unit takes no part', () => {
    const variants = [
      { key: 'a', weight: 1 },
      { key: 'b', weight: 1 },
    ]
    expect(assignVariant({ seed: 's', variants, coverage: 0 }, 'u')).toMatchObject({
      variant: null,
      why: 'outside_coverage',
    })
    expect(assignVariant({ seed: 's', variants }, 'u', false)).toMatchObject({
      inExperiment: false,
      why: 'not_targeted',
    })
    expect(assignVariant({ seed: 's', variants, namespace: { key: 'n', from: 0, to: 0 } }, 'u').why).toBe(
      'outside_namespace',
    )
    expect(assignVariant({ seed: 's', variants: [{ key: 'a', weight: 0 }] }, 'u').variant).toBeNull()
  })

  test('namespaces with ranges apart never share a unit', () =>
    fc.assert(
      fc.property(fc.string(), fc.double({ min: 0, max: 1, noNaN: true }), (unit, cut) => {
        const variants = [{ key: 'a', weight: 1 }]
        const inside = (from: number, to: number) =>
          assignVariant({ seed: 's', variants, namespace: { key: 'n', from, to } }, unit).inExperiment
        expect(inside(0, cut) && inside(cut, 1)).toBe(false)
      }),
    ))

  test('the ranges of all variants fill 0 to 1 in shares of the weights', () => {
    expect(bucketRanges([{ weight: 3 }, { weight: 1 }])).toEqual([
      [0, 0.75],
      [0.75, 1],
    ])
    expect(bucketRanges([{ weight: 3 }, { weight: 1 }], 0.5)).toEqual([
      [0, 0.375],
      [0.75, 0.875],
    ])
  })

  test('the hash is spread evenly', () => {
    const tenths = new Array<number>(10).fill(0)
    for (let i = 0; i < 50_000; i++) tenths[Math.floor(unitHash('seed', `u${i}`) * 10)]! += 1
    for (const count of tenths) expect(Math.abs(count - 5000)).toBeLessThan(350)
  })
})
