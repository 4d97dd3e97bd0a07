import { type LogisticModel, sigmoid, type TrainingData } from '../model/logistic.ts'

/**
 * The model with a covariance that allows for rows of one cluster (a session's landmarks) not being independent: the sandwich estimator
 * with the small-sample factor c / (c − 1) over c clusters (Liang & Zeger 1986). `cluster` numbers each row's cluster; rows of one
 * stand together.
 */
export function withClusteredCovariance(
  model: LogisticModel,
  { columns, outcomes }: TrainingData,
  cluster: ArrayLike<number>,
): LogisticModel {
  const { mean, deviation } = model.scaling
  const size = model.standardised.length
  const meat = Array.from({ length: size }, () => new Float64Array(size))
  let score = new Float64Array(size)
  let clusters = 0
  const close = () => {
    clusters += 1
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) meat[i]![j]! += score[i]! * score[j]!
    score = new Float64Array(size)
  }
  const row = new Float64Array(size)
  for (let n = 0; n < outcomes.length; n++) {
    if (n > 0 && cluster[n] !== cluster[n - 1]) close()
    row[0] = 1
    for (let i = 1; i < size; i++) row[i] = (columns[i - 1]![n]! - mean[i - 1]!) / deviation[i - 1]!
    const eta = row.reduce((sum, value, i) => sum + value * model.standardised[i]!, 0)
    const residual = outcomes[n]! - sigmoid(eta)
    for (let i = 0; i < size; i++) score[i]! += residual * row[i]!
  }
  if (outcomes.length > 0) close()
  const factor = clusters > 1 ? clusters / (clusters - 1) : 1
  const covariance = product(product(model.covariance, meat), model.covariance).map((line) =>
    line.map((value) => value * factor),
  )
  return { ...model, covariance }
}

function product(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number[][] {
  return a.map((line) =>
    Array.from({ length: b.length }, (_, j) => {
      let sum = 0
      for (let k = 0; k < b.length; k++) sum += line[k]! * b[k]![j]!
      return sum
    }),
  )
}
