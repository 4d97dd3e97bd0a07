import { contingencyTest, multiArmTest } from '../../analysis/statistics/chiSquare.ts'
import { effect, lift } from '../../analysis/statistics/effect.ts'
import { quantileSample, sampleOf } from '../../analysis/statistics/sample.ts'
import { SRM_ALPHA, sampleRatioTest } from '../../analysis/statistics/sampleRatio.ts'
import { twoProportionTest, wilson } from '../../analysis/statistics/twoProportions.ts'
import { welchTest } from '../../analysis/statistics/welch.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { effectGot } from './bayesian.ts'
import { armsOf, sampleFrom } from './inputs.ts'

const tTest: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  // Student's groups come as raw values, and R subtracts the second from the first.
  if (Array.isArray(control)) {
    const found = effect(sampleOf(treatment), sampleOf(control))
    return testGot(found, inputs)
  }
  return testGot(effect(sampleFrom(control), sampleFrom(treatment), scaleOf(inputs)), inputs)
}

function testGot(
  found: ReturnType<typeof effect>,
  inputs: { alpha?: number; side?: 'two' | 'greater' | 'less' },
) {
  const { t, df, p, ci } = welchTest(found, { alpha: inputs.alpha ?? 0.05, side: inputs.side ?? 'two' })
  return {
    expected: found.estimate,
    difference: found.estimate,
    lift: found.estimate,
    stderr: found.standardError,
    t,
    df,
    pValue: p,
    ci,
    ciLower: ci[0],
    ciUpper: ci[1],
  }
}

const scaleOf = (inputs: { relative?: boolean }) => (inputs.relative ? 'relative' : 'absolute')

const twoProportions: Adapter = (inputs, vector) => {
  const { control, treatment } = armsOf(inputs)
  if (inputs.relative) return tTest(inputs, vector)
  const alpha = inputs.alpha ?? 0.05
  const [a, b] = [control, treatment].map((arm) => ({ n: arm.n, x: arm.x ?? arm.sum }))
  const found = twoProportionTest(a!, b!, alpha)
  return {
    difference: found.difference,
    expected: found.difference,
    lift: lift(a!.x / a!.n, b!.x / b!.n),
    stderr: found.standardError,
    stderr_pooled: found.standardErrorPooled,
    z: found.zUnpooled,
    z_pooled: found.z,
    zPooled: found.z,
    pValue: found.pUnpooled,
    pValue_pooled: found.p,
    pValuePooled: found.p,
    chi2: found.z ** 2,
    ci: found.wald,
    ciLower: found.wald[0],
    ciUpper: found.wald[1],
    newcombe: found.newcombe,
    ciNewcombe: found.newcombe,
    wilsonControl: wilson(a!, alpha),
    wilsonTest: wilson(b!, alpha),
  }
}

const multiArm: Adapter = (inputs) => {
  const { chiSquared, df, p } = inputs.table
    ? contingencyTest(inputs.table)
    : multiArmTest((inputs.x as number[]).map((x, arm) => ({ x, n: inputs.n[arm] })))
  return { chi2: chiSquared, df, pValue: p }
}

const sampleRatio: Adapter = (inputs, vector) => {
  const expected = vector.expected as { pBelow?: number }
  const { chiSquared, df, p } = sampleRatioTest(inputs.observed, inputs.weights)
  return {
    chi2: chiSquared,
    df,
    pValue: p,
    log10p: Math.log10(p),
    // Some sources print a bound only: it holds or it does not.
    pBelow: p < Number(expected.pBelow) ? expected.pBelow : p,
    flag: p < SRM_ALPHA,
  }
}

const quantileMetric: Adapter = (inputs) => {
  const [control, treatment] = [quantileSample(inputs.control), quantileSample(inputs.treatment)]
  return effectGot(effect(control, treatment, scaleOf(inputs)), {
    prior: inputs.prior_relative ?? inputs.prior,
    baseline: inputs.relative ? 1 : control.mean,
  })
}

const effectSign: Adapter = (inputs) => ({
  lift: (inputs.pairs as [number, number][]).map(([control, treatment]) => lift(control, treatment)),
})

const liftDenominator: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  const [funnelControl, funnelVariant] = [control, treatment].map((arm) => arm.completed / arm.entered)
  const [perExposureControl, perExposureVariant] = [control, treatment].map(
    (arm) => arm.completed / arm.exposed,
  )
  return {
    funnelControl,
    funnelVariant,
    funnelLift: lift(funnelControl!, funnelVariant!),
    perExposureControl,
    perExposureVariant,
    perExposureLift: lift(perExposureControl!, perExposureVariant!),
  }
}

export const frequentistAdapters: Adapters = {
  t_test_welch: tTest,
  two_proportion: twoProportions,
  ratio_delta_method: tTest,
  multi_arm_proportion: multiArm,
  srm: sampleRatio,
  quantile_metric: quantileMetric,
  effect_sign: effectSign,
  lift_denominator: liftDenominator,
}
