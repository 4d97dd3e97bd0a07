import type { Interval } from '../statistics/interval.ts'
import { twoSidedCritical } from '../statistics/normal.ts'
import { type LogisticModel, sigmoid } from './logistic.ts'

export interface Prediction {
  readonly p: number
  /** Of the probability, by the coefficients' covariance on the log-odds scale. */
  readonly ci: Interval
  /** What each feature adds to the log-odds against an average row, largest first. */
  readonly factors: readonly { readonly feature: string; readonly contribution: number }[]
}

/** The chance for one row, its values in the order of the model's features. */
export function predict(model: LogisticModel, values: readonly number[], alpha = 0.05): Prediction {
  const scaled = values.map((value, i) => (value - model.scaling.mean[i]!) / model.scaling.deviation[i]!)
  const row = [1, ...scaled]
  const eta = row.reduce((sum, value, i) => sum + value * model.standardised[i]!, 0)
  const variance = row.reduce(
    (sum, left, i) =>
      sum + left * row.reduce((inner, right, j) => inner + right * model.covariance[i]![j]!, 0),
    0,
  )
  const reach = twoSidedCritical(alpha) * Math.sqrt(variance)
  const factors = scaled
    .map((value, i) => ({ feature: model.features[i]!, contribution: value * model.standardised[i + 1]! }))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
  return { p: sigmoid(eta), ci: [sigmoid(eta - reach), sigmoid(eta + reach)], factors }
}

/** The chance for every row of columns side by side. */
export function predictAll(model: LogisticModel, columns: readonly ArrayLike<number>[]): Float64Array {
  const rows = columns[0]?.length ?? 0
  const p = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    let eta = model.raw[0]!
    for (let i = 0; i < columns.length; i++) eta += model.raw[i + 1]! * columns[i]![row]!
    p[row] = sigmoid(eta)
  }
  return p
}
