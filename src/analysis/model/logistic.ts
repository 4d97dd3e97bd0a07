import { cholesky, inverseFrom, solveWith } from './cholesky.ts'
import { type Scaling, scalingOf, standardise } from './scaling.ts'

/** Columns of numbers side by side, a name each, and the outcome (1 or 0) of each row. */
export interface TrainingData {
  readonly features: readonly string[]
  readonly columns: readonly ArrayLike<number>[]
  readonly outcomes: ArrayLike<number>
}

export interface LogisticModel {
  readonly features: readonly string[]
  readonly scaling: Scaling
  /** On standardised features; the intercept first. */
  readonly standardised: readonly number[]
  /** On features as they come; the intercept first. */
  readonly raw: readonly number[]
  /** Covariance of `standardised`: the inverse of the (penalised) information. */
  readonly covariance: readonly (readonly number[])[]
  readonly iterations: number
  readonly rows: number
}

/** Why no model comes out. */
export interface FitFault {
  readonly fault: 'one_outcome' | 'constant' | 'collinear' | 'separable'
  readonly detail: string
  readonly feature?: string
}

const MOST_STEPS = 60

/**
 * Logistic regression by iteratively reweighted least squares (McCullagh & Nelder 1989, § 4.4): maximum likelihood, with
 * ½·l2·|w|² taken off over the standardised coefficients, never over the intercept. `l2` of 1 is scikit-learn's C = 1.
 */
export function fitLogistic(data: TrainingData, l2 = 0): LogisticModel | FitFault {
  const { features, columns, outcomes } = data
  const rows = outcomes.length
  const positives = Array.from(outcomes).reduce((sum, y) => sum + y, 0)
  if (positives === 0 || positives === rows)
    return { fault: 'one_outcome', detail: `all ${rows} training rows have the same outcome` }
  const scaling = scalingOf(columns)
  const constant = scaling.deviation.findIndex((deviation) => !(deviation > 0))
  if (constant >= 0)
    return {
      fault: 'constant',
      feature: features[constant]!,
      detail: `${features[constant]} has the same value in every training row`,
    }
  const design = [new Float64Array(rows).fill(1), ...standardise(columns, scaling)]
  const fit = iterate(design, outcomes, l2, Math.log(positives / (rows - positives)))
  if ('dependent' in fit) {
    // Singular from the start is the features' own fault; singular later is a likelihood without a maximum.
    if (fit.step > 0 || fit.dependent === 0) return separable
    const feature = features[fit.dependent - 1]!
    return { fault: 'collinear', feature, detail: `${feature} is a combination of the features before it` }
  }
  if (!fit.converged) return separable
  const { coefficients, covariance, steps } = fit
  const raw = coefficients.slice(1).map((weight, i) => weight / scaling.deviation[i]!)
  const intercept = raw.reduce((sum, weight, i) => sum - weight * scaling.mean[i]!, coefficients[0]!)
  return {
    features,
    scaling,
    standardised: coefficients,
    raw: [intercept, ...raw],
    covariance,
    iterations: steps,
    rows,
  }
}

const separable: FitFault = {
  fault: 'separable',
  detail:
    'the features separate the outcomes (wholly or for some rows), so that no finite coefficients fit best; use l2 above 0',
}

type Fit =
  | {
      readonly converged: boolean
      readonly coefficients: number[]
      readonly covariance: number[][]
      readonly steps: number
    }
  | { readonly dependent: number; readonly step: number }

function iterate(
  design: readonly Float64Array[],
  outcomes: ArrayLike<number>,
  l2: number,
  intercept: number,
): Fit {
  let coefficients = design.map((_, i) => (i === 0 ? intercept : 0))
  let loss = penalisedLoss(design, outcomes, coefficients, l2)
  let covariance: number[][] = []
  for (let step = 0; step < MOST_STEPS; step++) {
    const { gradient, information } = slopes(design, outcomes, coefficients, l2)
    const solved = cholesky(information)
    if ('dependent' in solved) return { dependent: solved.dependent, step }
    covariance = inverseFrom(solved.factor)
    const move = solveWith(solved.factor, gradient)
    // Newton overshoots where probabilities are near 0 or 1: halve until it does not get worse.
    let part = 1
    let next = coefficients.map((value, i) => value + move[i]!)
    let nextLoss = penalisedLoss(design, outcomes, next, l2)
    while (nextLoss > loss + 1e-9 * Math.abs(loss) && part > 1e-6) {
      part /= 2
      next = coefficients.map((value, i) => value + part * move[i]!)
      nextLoss = penalisedLoss(design, outcomes, next, l2)
    }
    const furthest = Math.max(...next.map((value, i) => Math.abs(value - coefficients[i]!)))
    coefficients = next
    loss = nextLoss
    if (furthest < 1e-10) return { converged: true, coefficients, covariance, steps: step + 1 }
  }
  return { converged: false, coefficients, covariance, steps: MOST_STEPS }
}

function slopes(
  design: readonly Float64Array[],
  outcomes: ArrayLike<number>,
  coefficients: readonly number[],
  l2: number,
) {
  const size = design.length
  const gradient = coefficients.map((value, i) => (i === 0 ? 0 : -l2 * value))
  const information = design.map((_, i) => design.map((__, j) => (i === j && i > 0 ? l2 : 0)))
  for (let row = 0; row < outcomes.length; row++) {
    const p = sigmoid(linear(design, coefficients, row))
    const miss = outcomes[row]! - p
    const weight = p * (1 - p)
    for (let i = 0; i < size; i++) {
      const value = design[i]![row]!
      gradient[i]! += miss * value
      const weighted = weight * value
      const into = information[i]!
      for (let j = 0; j <= i; j++) into[j]! += weighted * design[j]![row]!
    }
  }
  for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) information[i]![j] = information[j]![i]!
  return { gradient, information }
}

function penalisedLoss(
  design: readonly Float64Array[],
  outcomes: ArrayLike<number>,
  coefficients: readonly number[],
  l2: number,
): number {
  let loss = 0
  for (let row = 0; row < outcomes.length; row++) {
    const eta = linear(design, coefficients, row)
    loss += Math.max(eta, 0) + Math.log1p(Math.exp(-Math.abs(eta))) - outcomes[row]! * eta
  }
  return loss + coefficients.slice(1).reduce((sum, value) => sum + 0.5 * l2 * value * value, 0)
}

function linear(design: readonly Float64Array[], coefficients: readonly number[], row: number): number {
  let eta = 0
  for (let i = 0; i < design.length; i++) eta += coefficients[i]! * design[i]![row]!
  return eta
}

export const sigmoid = (eta: number): number =>
  eta >= 0 ? 1 / (1 + Math.exp(-eta)) : Math.exp(eta) / (1 + Math.exp(eta))
