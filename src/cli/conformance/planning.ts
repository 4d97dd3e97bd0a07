import { effect } from '../../analysis/statistics/effect.ts'
import { adjustP, type Correction, rejected, splitAlpha } from '../../analysis/statistics/multipleTesting.ts'
import {
  detectableLift,
  inflatedPower,
  type Plan,
  plannedPower,
  requiredUnits,
  stillNeeded,
} from '../../analysis/statistics/power.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { armsOf, sampleFrom } from './inputs.ts'

const multipleTesting: Adapter = (inputs) => {
  if (inputs.p) {
    const p = inputs.p as number[]
    const adjusted = (method: Correction) => adjustP(p, method, inputs.m)
    return {
      adjusted: adjusted(inputs.method ?? 'bh'),
      adjustedBH: adjusted('bh'),
      adjustedHolm: adjusted('holm'),
      adjustedBonferroni: adjusted('bonferroni'),
      rejectedBH: rejected(p, 'bh', inputs.alpha ?? 0.05),
      rejectedHolm: rejected(p, 'holm', inputs.alpha ?? 0.05),
      rejectedBonferroni: rejected(p, 'bonferroni', inputs.alpha ?? 0.05),
    }
  }
  const tests = inputs.treatments ?? inputs.variants ?? 1
  const primary = tests * (inputs.primary ?? 1)
  const others = tests * (inputs.secondary ?? inputs.metrics - 1)
  const split = splitAlpha({
    alpha: inputs.alpha,
    primaryShare: inputs.primaryShare ?? inputs.gamma,
    primary,
    others,
  })
  return { alphaPrimary: split.primary, alphaOther: split.others, alphaSecondary: split.others }
}

// biome-ignore lint/suspicious/noExplicitAny: foreign data, each source with its own names.
function planFrom(metric: any, common: { arms?: number; alpha?: number; sequentialTuning?: number }): Plan {
  const mean = metric.mean ?? metric.p
  return {
    mean,
    variance: metric.variance ?? (metric.sd === undefined ? mean * (1 - mean) : metric.sd ** 2),
    lift: metric.effect_rel ?? 0,
    arms: common.arms ?? 2,
    alpha: common.alpha ?? 0.05,
    ...(common.sequentialTuning ? { tuning: common.sequentialTuning } : {}),
  }
}

const power: Adapter = (inputs, vector) => {
  if (inputs.mean_a !== undefined) return deltaVariance(inputs)
  if (inputs.target_mde_rel !== undefined || inputs.target_mde !== undefined)
    return midExperiment(inputs, vector)
  const wanted = inputs.target_power ?? 0.8
  if (inputs.metrics) {
    const metrics = inputs.metrics as unknown[]
    const first = Object.values(vector.expected as object)[0] as unknown[]
    const weeks = Array.from(
      { length: (inputs.weeks ?? first.length / metrics.length) as number },
      (_, week) => week + 1,
    )
    const each = <T>(of: (plan: Plan, units: number) => T): T[] =>
      weeks.flatMap((week) =>
        metrics.map((metric) => of(planFrom(metric, inputs), week * inputs.usersPerWeek)),
      )
    return { power: each(plannedPower), mde: each((plan, units) => detectableLift(plan, units, wanted)) }
  }
  const plan = planFrom(inputs, inputs)
  const units = inputs.total_n ?? inputs.n_per_arm * (plan.arms ?? 2)
  const required = plan.lift ? requiredUnits(plan, wanted) : null
  return {
    ...(Number.isFinite(units)
      ? {
          power: plannedPower(plan, units),
          power_correct: plannedPower(plan, units),
          power_gb_method: inflatedPower({ ...plan, tuning: plan.tuning ?? Number.NaN }, units),
          mde: detectableLift(plan, units, wanted),
        }
      : {}),
    totalN: required,
    nPerArm: required === null ? null : required / (plan.arms ?? 2),
  }
}

function deltaVariance(inputs: Record<string, number>) {
  const a = { n: inputs.n_a!, mean: inputs.mean_a!, variance: inputs.var_a! }
  const b = { n: inputs.n_b!, mean: inputs.mean_b!, variance: inputs.var_b! }
  return {
    absolute: effect(a, b).standardError ** 2,
    relative: effect(a, b, 'relative').standardError ** 2,
  }
}

const midExperiment: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  const relative = inputs.target_mde_rel !== undefined
  const found = effect(sampleFrom(control), sampleFrom(treatment), relative ? 'relative' : 'absolute')
  const factor = stillNeeded(
    { standardError: found.standardError, units: found.n },
    inputs.target_mde_rel ?? inputs.target_mde,
    {
      alpha: inputs.alpha ?? 0.05,
      ...(inputs.mode === 'seq' ? { tuning: inputs.tuning ?? 5000 } : {}),
      ...(inputs.prior ? { prior: inputs.prior } : {}),
    },
    inputs.target_power ?? 0.8,
  )
  return { scalingFactor: factor, additionalUsers: factor === null ? null : factor * found.n }
}

export const planningAdapters: Adapters = { multiple_testing: multipleTesting, power }
