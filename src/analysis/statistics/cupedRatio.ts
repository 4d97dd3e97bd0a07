import type { Effect, Scale } from './effect.ts'

/**
 * CUPED for a ratio metric whose covariate is the same ratio before exposure: rows of (numerator, denominator, numerator
 * before, denominator before) a unit, everything by the delta method over the four means (Deng et al. 2013, app. B).
 */
export type RatioRow = readonly [m: number, d: number, before: number, dBefore: number]

interface Arm {
  readonly n: number
  readonly means: readonly number[]
  readonly covariance: readonly (readonly number[])[]
}

/** Means and covariance matrix (ddof 1) of the rows of one arm. */
export function ratioArm(rows: readonly RatioRow[]): Arm {
  const n = rows.length
  const columns = [0, 1, 2, 3]
  const means = columns.map((column) => rows.reduce((sum, row) => sum + row[column]!, 0) / n)
  const covariance = columns.map((i) =>
    columns.map(
      (j) => rows.reduce((sum, row) => sum + (row[i]! - means[i]!) * (row[j]! - means[j]!), 0) / (n - 1),
    ),
  )
  return { n, means, covariance }
}

/** Covariance of the two linearised ratios over the variance of the earlier one, both arms' summed; 0 without spread. */
export function ratioTheta(control: Arm, treatment: Arm): number {
  let covariance = 0
  let variance = 0
  for (const arm of [control, treatment]) {
    const [now, before] = gradients(arm)
    covariance += form(arm.covariance, now, before)
    variance += form(arm.covariance, before, before)
  }
  return variance === 0 ? 0 : covariance / variance
}

/** Treatment against control after adjustment with `theta`; the lift is over the control's unadjusted ratio. */
export function cupedRatioEffect(control: Arm, treatment: Arm, theta: number, scale: Scale): Effect {
  const [a, b] = [control, treatment].map((arm) => ratios(arm))
  const difference = b!.now - theta * b!.before - (a!.now - theta * a!.before)
  const base = scale === 'relative' ? Math.abs(a!.now) : 1
  const [nowA, beforeA] = gradients(control)
  const [nowB, beforeB] = gradients(treatment)
  // The base is the control's own ratio: moving it moves both the difference and what it is divided by.
  const pull = scale === 'relative' ? (difference * Math.sign(a!.now)) / base : 0
  const gradientA = nowA.map((slope, i) => (-(1 + pull) * slope + theta * beforeA[i]!) / base)
  const gradientB = nowB.map((slope, i) => (slope - theta * beforeB[i]!) / base)
  const varianceA = form(control.covariance, gradientA, gradientA) / control.n
  const varianceB = form(treatment.covariance, gradientB, gradientB) / treatment.n
  return {
    estimate: difference / base,
    standardError: Math.sqrt(varianceA + varianceB),
    df:
      (varianceA + varianceB) ** 2 / (varianceA ** 2 / (control.n - 1) + varianceB ** 2 / (treatment.n - 1)),
    n: control.n + treatment.n,
  }
}

const ratios = ({ means: [m, d, before, dBefore] }: Arm): { now: number; before: number } => ({
  now: m! / d!,
  before: before! / dBefore!,
})

/** How each ratio moves with the four means. */
function gradients({ means: [m, d, before, dBefore] }: Arm): [number[], number[]] {
  return [
    [1 / d!, -m! / d! ** 2, 0, 0],
    [0, 0, 1 / dBefore!, -before! / dBefore! ** 2],
  ]
}

const form = (
  matrix: readonly (readonly number[])[],
  left: readonly number[],
  right: readonly number[],
): number =>
  matrix.reduce(
    (sum, row, i) => sum + left[i]! * row.reduce((inner, value, j) => inner + value * right[j]!, 0),
    0,
  )
