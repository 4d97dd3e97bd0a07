import { expect, test } from 'vitest'
import { powerPlan } from '../../../src/analysis/experiment/powerPlan.ts'

test('a conversion of 10 %, a lift of 5 %: units, days, and what half of them would find', () => {
  const plan = powerPlan({ mean: 0.1, lift: 0.05, unitsPerDay: 1000, units: 50_000 })
  expect(plan.requiredUnits).toBe(plan.unitsPerArm! * 2)
  expect(plan.daysToGo).toBeCloseTo((plan.requiredUnits! - 50_000) / 1000, 9)
  expect(plan.power).toBeLessThan(0.8)
  expect(plan.detectableLift).toBeGreaterThan(0.05)
  expect(powerPlan({ mean: 0.1, lift: 0.05, units: plan.requiredUnits! }).power).toBeCloseTo(0.8, 3)
})

test('looking at any time costs units; what was not asked stays open', () => {
  const fixed = powerPlan({ mean: 20, variance: 400, lift: 0.1, arms: 3 })
  const sequential = powerPlan({ mean: 20, variance: 400, lift: 0.1, arms: 3, sequential: true })
  expect(sequential.requiredUnits).toBeGreaterThan(fixed.requiredUnits!)
  expect(fixed).toMatchObject({ daysToGo: null, power: null, detectableLift: null })
  expect(powerPlan({ mean: 0.1, units: 1000 })).toMatchObject({
    requiredUnits: null,
    daysToGo: null,
    power: null,
  })
  expect(powerPlan({ mean: 0.1, lift: 0 }).requiredUnits).toBeNull()
})
