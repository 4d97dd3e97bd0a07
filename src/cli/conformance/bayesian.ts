import { chanceToBeBest, withFloor } from '../../analysis/statistics/bandit.ts'
import {
  comparePosteriors,
  effectPosterior,
  normalRisk,
  type Prior,
} from '../../analysis/statistics/bayes.ts'
import { type Effect, effect } from '../../analysis/statistics/effect.ts'
import {
  betaPosterior,
  credibleInterval,
  normalPosterior,
  type Posterior,
} from '../../analysis/statistics/posterior.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { armsOf, sampleFrom } from './inputs.ts'

/** `prior` is of the lift; `baseline` is what an absolute effect's prior is scaled by (1 for a lift). */
export function effectGot(
  found: Effect,
  options: { prior?: Prior | string | null; baseline?: number; alpha?: number; lowerIsBetter?: boolean },
) {
  const { prior, baseline = 1, alpha = 0.05, lowerIsBetter = false } = options
  const scaled =
    prior && typeof prior === 'object'
      ? { mean: prior.mean * Math.abs(baseline), variance: prior.variance * baseline ** 2 }
      : undefined
  const posterior = effectPosterior(found, scaled, alpha)
  const risk = riskOf(posterior, lowerIsBetter)
  return {
    expected: posterior.mean,
    ci: posterior.ci,
    ciLower: posterior.ci[0],
    ciUpper: posterior.ci[1],
    stddev: posterior.deviation,
    chanceToWin: lowerIsBetter ? 1 - posterior.chanceToBeat : posterior.chanceToBeat,
    risk,
    riskControl: risk[0],
    riskTreatment: risk[1],
  }
}

const riskOf = (losses: { lossIfControl: number; lossIfTreatment: number }, lowerIsBetter: boolean) =>
  lowerIsBetter
    ? [losses.lossIfTreatment, losses.lossIfControl]
    : [losses.lossIfControl, losses.lossIfTreatment]

const normal: Adapter = (inputs) => {
  if (inputs.posterior_mean !== undefined) {
    const found = normalRisk(inputs.posterior_mean, inputs.posterior_sd)
    return { risk: riskOf(found, false), chanceToWin: found.chanceToBeat }
  }
  const { control, treatment } = armsOf(inputs)
  const relative = inputs.relative ?? true
  const base = sampleFrom(control)
  return effectGot(effect(base, sampleFrom(treatment), relative ? 'relative' : 'absolute'), {
    prior: inputs.prior,
    baseline: relative || inputs.prior_type === 'absolute' ? 1 : base.mean,
    alpha: inputs.alpha ?? 0.05,
    lowerIsBetter: inputs.lower_is_better ?? false,
  })
}

interface BetaArm {
  readonly n: number
  readonly x?: number
  readonly successes?: number
  readonly sum?: number
}

function betaOf(arm: BetaArm, prior: readonly [number, number] = [1, 1]): Posterior {
  const x = arm.x ?? arm.successes ?? arm.sum ?? 0
  return betaPosterior(x + prior[0], arm.n - x + prior[1])
}

const betaInterval: Adapter = (inputs) => {
  const posterior = betaOf(inputs, inputs.prior)
  const ci = credibleInterval(posterior, inputs.alpha ?? 0.05)
  return { posteriorMean: posterior.mean, ci, ciLower: ci[0], ciUpper: ci[1] }
}

const betaChance: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  const [a, b] = [betaOf(control, inputs.prior), betaOf(treatment, inputs.prior)]
  const found = comparePosteriors(a, b)
  return {
    pTestBetter: found.chanceToBeat,
    chanceToWin: found.chanceToBeat,
    lossIfControl: found.lossIfControl,
    lossIfTest: found.lossIfTreatment,
    difference: b.mean - a.mean,
    ciControl: credibleInterval(a),
    ciTest: credibleInterval(b),
  }
}

const bandit: Adapter = (inputs) => {
  if (inputs.w) return { p: withFloor(inputs.w, inputs.floor), weights: withFloor(inputs.w, inputs.floor) }
  const arms = (inputs.arms as (BetaArm & { sum_squares?: number; variance?: number })[]).map((arm) => {
    if (arm.sum_squares === undefined && arm.variance === undefined) return betaOf(arm, inputs.prior)
    const { mean, variance, n } = sampleFrom(arm)
    return normalPosterior(mean, Math.sqrt(variance / n))
  })
  const lowest = inputs.lower_is_better ?? inputs.inverse ?? false
  const chances = chanceToBeBest(arms, lowest ? 'lowest' : 'highest')
  return {
    pBest: chances,
    p: inputs.floor === undefined ? chances : withFloor(chances, inputs.floor),
    sumsTo: chances.reduce((sum, chance) => sum + chance, 0),
  }
}

export const bayesianAdapters: Adapters = {
  bayes_normal_ctw_risk: normal,
  beta_posterior_interval: betaInterval,
  beta_binomial_ctb: betaChance,
  bandit_thompson: bandit,
}
