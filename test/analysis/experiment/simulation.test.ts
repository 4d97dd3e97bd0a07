import { describe, expect, test } from 'vitest'
import { compareArms } from '../../../src/analysis/experiment/compare.ts'
import { sampleOfMetric } from '../../../src/analysis/experiment/periods.ts'
import { addUnit, type Moments, noMoments } from '../../../src/analysis/statistics/moments.ts'
import { seeded } from '../../support/seeded.ts'
import { metric, normals } from './support.ts'

/**
 * Experiments in which nothing differs (or a known amount does), many times over, through the comparison that the
 * results use. With 2,000 runs a rate of 5 % is known to ±1 % (two standard errors).
 */
const RUNS = 2000
const options = { alpha: 0.05 }

interface Draw {
  readonly type: 'conversion' | 'sum' | 'ratio'
  readonly truth: number
  readonly unit: (arm: number) => readonly [m: number, d: number]
}

const random = seeded(20_240_601)
const normal = normals(random)

const draws: Record<string, Draw> = {
  'conversion of 12 %': { type: 'conversion', truth: 0, unit: () => [random() < 0.12 ? 1 : 0, 1] },
  'conversion that differs': {
    type: 'conversion',
    truth: 0.05,
    unit: (arm) => [random() < 0.12 + 0.05 * arm ? 1 : 0, 1],
  },
  'skewed spend': {
    type: 'sum',
    truth: 0,
    unit: () => [random() < 0.4 ? Math.exp(1 + 0.8 * normal()) : 0, 1],
  },
  'ratio of correlated totals': {
    type: 'ratio',
    truth: 0,
    unit: () => {
      const visits = 1 + Math.floor(random() * 6)
      return [visits * (2 + 0.5 * normal()), visits]
    },
  },
}

function compare(arms: readonly Moments[], type: Draw['type']) {
  const [control, treatment] = arms.map((moments) => ({ sample: sampleOfMetric(moments, type), moments }))
  return compareArms(control!, treatment!, metric('m', { type }), options, false)
}

describe('over 2,000 experiments', () => {
  test.each(Object.entries(draws))(
    '%s: false alarms and cover are what they claim',
    (_, { type, truth, unit }) => {
      let [alarms, covered] = [0, 0]
      for (let run = 0; run < RUNS; run++) {
        const arms = [noMoments(), noMoments()]
        for (let i = 0; i < 1000; i++) addUnit(arms[i % 2]!, ...unit(i % 2))
        const { p, ciFixed } = compare(arms, type)
        if (p! < 0.05) alarms += 1
        if (ciFixed![0] <= truth && truth <= ciFixed![1]) covered += 1
      }
      expect(covered / RUNS).toBeGreaterThan(0.94)
      expect(covered / RUNS).toBeLessThan(0.96)
      if (truth !== 0) return
      expect(alarms / RUNS).toBeGreaterThan(0.04)
      expect(alarms / RUNS).toBeLessThan(0.06)
    },
  )

  test('looking all the time, the always-valid test raises at most 5 % alarms where the fixed one raises many', () => {
    let [always, fixed, left] = [0, 0, 0]
    for (let run = 0; run < RUNS; run++) {
      const arms = [noMoments(), noMoments()]
      let [alarm, peeked, out] = [false, false, false]
      for (let i = 1; i <= 3000; i++) {
        addUnit(arms[i % 2]!, random() < 0.2 ? 1 : 0)
        if (i < 20 || i % 20 > 0) continue
        const { sequential, plain, ci } = look(arms)
        alarm ||= sequential < 0.05
        peeked ||= plain < 0.05
        out ||= ci[0] > 0 || ci[1] < 0
      }
      always += Number(alarm)
      fixed += Number(peeked)
      left += Number(out)
    }
    expect(always / RUNS).toBeLessThanOrEqual(0.05)
    expect(left).toBe(always)
    expect(fixed / RUNS).toBeGreaterThan(0.2)
  })

  test('what differs is found at any time too', () => {
    let found = 0
    for (let run = 0; run < 100; run++) {
      const arms = [noMoments(), noMoments()]
      for (let i = 1; i <= 6000; i++)
        addUnit(arms[i % 2]!, random() < 0.2 + 0.05 * (i % 2 === 1 ? 1 : 0) ? 1 : 0)
      if (look(arms).sequential < 0.05) found += 1
    }
    expect(found).toBeGreaterThan(85)
  })
})

/** The parts of a comparison that looking needs; the Beta integral would only cost time here. */
function look(arms: readonly Moments[]): {
  sequential: number
  plain: number
  ci: readonly [number, number]
} {
  const { pSequential, p, ciSequential } = compare(arms, 'sum')
  return { sequential: pSequential ?? 1, plain: p ?? 1, ci: ciSequential ?? [0, 0] }
}
