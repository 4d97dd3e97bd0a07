import { describe, expect, test } from 'vitest'
import {
  daysToGo,
  detectableLift,
  inflatedPower,
  plannedPower,
  power,
  requiredUnits,
  stillNeeded,
  unitsPerArm,
} from '../../../src/analysis/statistics/power.ts'
import { kaplanMeier, logRank, type Observation } from '../../../src/analysis/statistics/survival.ts'

const conversion = { mean: 0.1, variance: 0.09, arms: 2 }

describe('power', () => {
  test('without an effect it is alpha, with a huge one 1', () => {
    expect(power(0, 1, 100)).toBeCloseTo(0.05, 12)
    expect(power(99, 1, 100)).toBe(1)
  })

  test('the required units are just enough', () => {
    const plan = { ...conversion, lift: 0.1 }
    const units = requiredUnits(plan)!
    expect(units % 2).toBe(0)
    expect(plannedPower(plan, units)).toBeGreaterThanOrEqual(0.8)
    expect(plannedPower(plan, units - 2)).toBeLessThan(0.8)
  })

  test('a sequential analysis asks for more units than a fixed one', () => {
    const plan = { ...conversion, lift: 0.1 }
    expect(requiredUnits({ ...plan, tuning: 5000 })!).toBeGreaterThan(requiredUnits(plan)!)
    expect(inflatedPower({ ...plan, tuning: 5000 }, 20_000)).toBeGreaterThan(
      plannedPower({ ...plan, tuning: 5000 }, 20_000),
    )
  })

  test('the detectable lift needs exactly the units it was asked for', () => {
    const lift = detectableLift(conversion, 28_000)!
    expect(plannedPower({ ...conversion, lift }, 28_000)).toBeCloseTo(0.8, 6)
  })

  test('the textbook sample size of 10 % against 12 %', () => {
    // (1.95996 + 0.84162)² · (0.09 + 0.1056) / 0.02²
    expect(unitsPerArm({ difference: 0.02, variances: [0.09, 0.1056] })).toBeCloseTo(3838.07, 1)
  })

  test('no lift can never be found, and nothing more is needed when all is there', () => {
    expect(requiredUnits({ ...conversion, lift: 0 })).toBeNull()
    expect(stillNeeded({ standardError: 0.001, units: 10_000 }, 0.05)).toBe(0)
    expect(stillNeeded({ standardError: 1, units: 10 }, 0)).toBeNull()
    const factor = stillNeeded({ standardError: 0.03, units: 1000 }, 0.05)!
    expect(power(0.05, 0.03 / Math.sqrt(1 + factor), 1000 * (1 + factor))).toBeCloseTo(0.8, 6)
  })

  test('time to go follows the rate', () => {
    expect(daysToGo(700, 100)).toBe(7)
    expect(daysToGo(-3, 100)).toBe(0)
    expect(daysToGo(5, 0)).toBeNull()
  })
})

describe('Kaplan–Meier', () => {
  // Freireich et al. (1963), 6-MP: weeks in remission, + censored
  const drug = observe('6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+')
  const placebo = observe('1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23')

  function observe(text: string): Observation[] {
    return text.split(' ').map((entry) => ({ time: Number.parseInt(entry, 10), event: !entry.endsWith('+') }))
  }

  test('the published curve, with Greenwood’s and the log-log interval', () => {
    const [first] = kaplanMeier(drug, { interval: 'greenwood' })
    expect(first).toMatchObject({ t: 6, atRisk: 21, events: 3 })
    expect(first!.survival).toBeCloseTo(0.857, 3)
    expect(first!.ci[0]).toBeCloseTo(0.857 - 1.96 * 0.0764, 3)
    expect(first!.ci[1]).toBe(1)
    const [loglog] = kaplanMeier(drug)
    expect(loglog!.ci[0]).toBeCloseTo(0.62, 3)
    expect(loglog!.ci[1]).toBeCloseTo(0.952, 3)
  })

  test('without censoring it is the share still waiting', () => {
    const curve = kaplanMeier(placebo)
    expect(curve.find(({ t }) => t === 8)!.survival).toBeCloseTo(8 / 21, 12)
    expect(curve.at(-1)).toMatchObject({ t: 23, survival: 0, ci: [0, 0] })
    expect(kaplanMeier([{ time: 3, event: false }])).toEqual([])
  })

  test('the log-rank test tells the two arms apart, and an arm not from itself', () => {
    expect(logRank(drug, placebo).chiSquared).toBeCloseTo(16.793, 3)
    expect(logRank(drug, drug).p).toBe(1)
  })
})
