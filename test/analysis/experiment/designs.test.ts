import { describe, expect, test } from 'vitest'
import { banditWeights } from '../../../src/analysis/experiment/banditWeights.ts'
import { factorialEffects, factorsOf } from '../../../src/analysis/experiment/factorial.ts'
import { stratifiedSamples } from '../../../src/analysis/experiment/periods.ts'
import { experimentResults } from '../../../src/analysis/experiment/results.ts'
import { together } from '../../../src/analysis/experiment/units.ts'
import { addUnit, type Moments, meanOf, noMoments } from '../../../src/analysis/statistics/moments.ts'
import { seeded } from '../../support/seeded.ts'
import { conversions, metric, spec } from './support.ts'

describe('several factors', () => {
  const factors = [
    { key: 'colour', levels: ['grey', 'green'] },
    { key: 'text', levels: ['short', 'long', 'none'] },
  ]
  const variants = factors[0]!.levels.flatMap((colour) =>
    factors[1]!.levels.map((text) => ({ key: `${colour}-${text}`, weight: 1, levels: { colour, text } })),
  )
  const sample = (mean: number) => ({ n: 100, mean, variance: 4 })

  test('an additive table has its two main effects and no interaction', () => {
    const samples = variants.map(({ levels: { colour, text } }) =>
      sample((colour === 'green' ? 3 : 0) + { short: 0, long: 1, none: -2 }[text]!),
    )
    const effects = factorialEffects(factors, variants, samples)
    if ('missing' in effects) return expect.fail('complete')
    expect(effects.map(({ of, absolute }) => [of.map(({ level }) => level).join('×'), absolute])).toEqual([
      ['green', expect.closeTo(3, 12)],
      ['long', expect.closeTo(1, 12)],
      ['none', expect.closeTo(-2, 12)],
      ['green×long', expect.closeTo(0, 12)],
      ['green×none', expect.closeTo(0, 12)],
    ])
    // (1/3)² of six cells' variances; an interaction's are four cells' whole.
    expect(effects[0]!.standardError).toBeCloseTo(Math.sqrt((6 * 0.04) / 9), 12)
    expect(effects[3]!.standardError).toBeCloseTo(Math.sqrt(4 * 0.04), 12)
  })

  test('an effect of one cell alone shows as an interaction', () => {
    const samples = variants.map(({ key }) => sample(key === 'green-long' ? 6 : 0))
    const effects = factorialEffects(factors, variants, samples)
    if ('missing' in effects) return expect.fail('complete')
    expect(effects.find(({ of }) => of.length === 2 && of[1]!.level === 'long')).toMatchObject({
      absolute: 6,
    })
    expect(effects[0]!.absolute).toBeCloseTo(2, 12)
  })

  test('a design with a hole says which', () => {
    const short = variants.slice(0, 5)
    expect(
      factorialEffects(
        factors,
        short,
        short.map(() => sample(0)),
      ),
    ).toEqual({
      missing: [{ colour: 'green', text: 'none' }],
    })
  })

  test('the factors are read from the variants', () => {
    expect(factorsOf(variants)).toEqual(factors)
    expect(factorsOf([...variants, { key: 'extra', weight: 1 }])).toBeNull()
    expect(factorsOf([{ key: 'a', weight: 1 }])).toBeNull()
  })

  test('results of such an experiment carry the effects', () => {
    const arms = [10, 20, 30, 45].map((x) => ({ x, n: 200 }))
    const four = ['a', 'b'].flatMap((one) =>
      ['x', 'y'].map((two) => ({ key: one + two, weight: 1, levels: { one, two } })),
    )
    const found = experimentResults(spec([metric('m')], { variants: four }), conversions(...arms))
    expect(found.metrics[0]!.effects!.map(({ absolute }) => absolute)).toEqual([
      expect.closeTo((30 + 45 - 10 - 20) / 400, 12),
      expect.closeTo((20 + 45 - 10 - 30) / 400, 12),
      expect.closeTo((45 - 30 - 20 + 10) / 200, 12),
    ])
  })
})

describe('bandits', () => {
  /** Two equal arms whose common rate doubles over the periods, while the weights go over to the second arm. */
  function drift(random: () => number): Moments[][] {
    return [
      [0.9, 0.1],
      [0.5, 0.9],
    ].map(([first, rate]) => {
      const arms = [noMoments(), noMoments()]
      for (let unit = 0; unit < 600; unit++)
        addUnit(arms[random() < first! * (rate === 0.9 ? 0.2 : 1) ? 0 : 1]!, random() < rate! * 0.5 ? 1 : 0)
      return arms
    })
  }

  test('a rate that moves while the weights move fools the pooled difference, not the stratified one', () => {
    const random = seeded(7)
    let [pooled, stratified, covered, wins] = [0, 0, 0, 0]
    const runs = 400
    for (let run = 0; run < runs; run++) {
      const periods = drift(random)
      const [a, b] = together(periods).map(meanOf)
      pooled += (b!.mean - a!.mean) / runs
      const [c, d] = stratifiedSamples(periods, 'conversion')
      const difference = d!.mean - c!.mean
      stratified += difference / runs
      if (Math.abs(difference) <= 1.96 * Math.sqrt(c!.variance / c!.n + d!.variance / d!.n)) covered += 1
      if (difference > 0) wins += 1
    }
    expect(pooled).toBeGreaterThan(0.2)
    expect(Math.abs(stratified)).toBeLessThan(0.01)
    expect(covered / runs).toBeGreaterThan(0.92)
    expect(wins / runs).toBeGreaterThan(0.4)
    expect(wins / runs).toBeLessThan(0.6)
  })

  test('ratios are put together over the periods as well', () => {
    const period = (rows: [number, number][][]): Moments[] =>
      rows.map((units) => {
        const moments = noMoments()
        for (const [m, d] of units) addUnit(moments, m, d)
        return moments
      })
    const one = period([
      [
        [2, 1],
        [4, 2],
        [3, 2],
      ],
      [
        [2, 1],
        [4, 3],
        [5, 2],
      ],
    ])
    const [a] = stratifiedSamples([one, one], 'ratio')
    const [b] = stratifiedSamples([one], 'ratio')
    expect(a!.mean).toBeCloseTo(b!.mean, 12)
    // Twice the units at the same spread: half the sampling variance.
    expect(a!.variance / a!.n).toBeCloseTo(b!.variance / b!.n / 2, 12)
  })

  test('periods too small for a variance are taken together with their neighbours', () => {
    const units = (n: number, value: number): Moments => {
      const moments = noMoments()
      for (let i = 0; i < n; i++) addUnit(moments, value + (i % 2))
      return moments
    }
    const periods = [
      [units(1, 0), units(5, 0)],
      [units(3, 0), units(4, 0)],
      [units(4, 1), units(1, 1)],
    ]
    for (const { n, variance } of stratifiedSamples(periods, 'count')) {
      expect(n).toBeGreaterThan(5)
      expect(variance).toBeGreaterThan(0)
    }
  })

  test('weights follow the evidence, keep a floor, and start equal', () => {
    const arms = (counts: [number, number][]): Moments[] =>
      together([conversions(...counts.map(([x, n]) => ({ x, n }))).moments[0]![0]!])
    const plain = { type: 'conversion', direction: 'increase' } as const
    expect(banditWeights(plain, [[noMoments(), noMoments()]])).toEqual([0.5, 0.5])
    const weights = banditWeights(
      plain,
      [
        arms([
          [30, 300],
          [60, 300],
        ]),
      ],
      0.05,
    )
    expect(weights[0]).toBeCloseTo(0.05, 2)
    expect(weights[0]! + weights[1]!).toBeCloseTo(1, 12)
    const down = banditWeights(
      { ...plain, direction: 'decrease' },
      [
        arms([
          [30, 300],
          [60, 300],
        ]),
      ],
      0.05,
    )
    expect(down[0]).toBeCloseTo(0.95, 2)
    expect(
      banditWeights({ type: 'sum', direction: 'increase' }, [[noMoments(), noMoments(), noMoments()]]),
    ).toEqual([1 / 3, 1 / 3, 1 / 3])
  })
})
