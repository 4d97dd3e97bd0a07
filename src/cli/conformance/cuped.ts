import {
  adjusted,
  cuped,
  cupedEffect,
  meanWithCovariate,
  type OutcomeWithCovariate,
} from '../../analysis/statistics/cuped.ts'
import {
  cupedRatioEffect,
  type RatioRow,
  ratioArm,
  ratioTheta,
} from '../../analysis/statistics/cupedRatio.ts'
import { addUnit, momentsOfSums, noMoments } from '../../analysis/statistics/moments.ts'
import { welchTest } from '../../analysis/statistics/welch.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { armsOf } from './inputs.ts'

interface Sums {
  readonly n: number
  readonly post_sum?: number
  readonly post_ss?: number
  readonly pre_sum: number
  readonly pre_ss?: number
  readonly xy?: number
}

/** An outcome that is 0 or 1 is its own square, and its variance that of the population. */
function armFrom(sums: Sums, binomial: boolean): OutcomeWithCovariate {
  const moments = momentsOfSums({
    n: sums.n,
    m: sums.post_sum ?? 0,
    mm: binomial ? (sums.post_sum ?? 0) : (sums.post_ss ?? 0),
    x: sums.pre_sum,
    xx: binomial ? sums.pre_sum : (sums.pre_ss ?? 0),
    mx: sums.xy ?? 0,
  })
  return { ...meanWithCovariate(moments), ddof: binomial ? 0 : 1 }
}

const comparison: Adapter = (inputs) => {
  const binomial = inputs.binomial ?? false
  if (inputs.pre) return identicalArms(inputs.pre, inputs.post)
  if (inputs.n !== undefined) return cupedGot(armFrom(inputs, binomial), armFrom(inputs, binomial), inputs)
  const control = armFrom(inputs.control, binomial)
  const { treatment } = armsOf(inputs)
  if (treatment) return cupedGot(control, armFrom(treatment, binomial), inputs)
  return deviations(control, inputs, binomial)
}

function identicalArms(pre: readonly number[], post: readonly number[]) {
  const moments = noMoments()
  for (const [i, before] of pre.entries()) addUnit(moments, post[i]!, 1, before)
  const arm = meanWithCovariate(moments)
  return cupedGot(arm, arm, {})
}

function cupedGot(
  control: OutcomeWithCovariate,
  treatment: OutcomeWithCovariate,
  { relative = true, alpha = 0.05 }: { relative?: boolean; alpha?: number },
) {
  const { theta, varianceReduction } = cuped(control, treatment)
  const found = cupedEffect(control, treatment, theta, relative ? 'relative' : 'absolute')
  const { p, ci } = welchTest(found, { alpha })
  return { theta, varianceReduction, expected: found.estimate, stderr: found.standardError, pValue: p, ci }
}

/** Adjusted deviation of each variant beside the control; the control's is that of its last pair. */
function deviations(control: OutcomeWithCovariate, inputs: Record<string, Sums>, binomial: boolean) {
  const got: Record<string, number> = {}
  for (const [name, sums] of Object.entries(inputs)) {
    if (name === 'control' || typeof sums !== 'object') continue
    const { theta } = cuped(control, armFrom(sums, binomial))
    got[name] = Math.sqrt(adjusted(armFrom(sums, binomial), theta, 0).variance)
    got.baseline = Math.sqrt(adjusted(control, theta, 0).variance)
  }
  return got
}

/** Columns as the case orders them: m_post, d_post, m_pre, d_pre. */
const rows = (columns: readonly number[][]): RatioRow[] =>
  columns[0]!.map((_, i) => [columns[0]![i]!, columns[1]![i]!, columns[2]![i]!, columns[3]![i]!])

const ratio: Adapter = (inputs) => {
  const { control, treatment } = armsOf(inputs)
  const [a, b] = [ratioArm(rows(control)), ratioArm(rows(treatment))]
  const theta = inputs.theta ?? ratioTheta(a, b)
  const found = cupedRatioEffect(a, b, theta, inputs.relative ? 'relative' : 'absolute')
  const { p, ci } = welchTest(found, { alpha: inputs.alpha ?? 0.05 })
  return { theta, lift: found.estimate, expected: found.estimate, stderr: found.standardError, pValue: p, ci }
}

export const cupedAdapters: Adapters = { cuped: comparison, cuped_ratio: ratio }
