import { accuracy, auc, brier, type CalibrationBin, calibration, logLoss } from './quality.ts'

/** How good a model is on rows it is shown, or has not seen. null where a figure needs both outcomes and has one. */
export interface Evaluation {
  readonly n: number
  readonly positives: number
  readonly baseRate: number
  readonly auc: number | null
  readonly logLoss: number
  readonly brier: number
  readonly accuracy: number
  readonly calibration: readonly CalibrationBin[]
}

/** null for no rows. */
export function evaluate(outcomes: ArrayLike<number>, p: ArrayLike<number>): Evaluation | null {
  const n = outcomes.length
  if (n === 0) return null
  const positives = Array.from(outcomes).reduce((sum, y) => sum + y, 0)
  const area = auc(outcomes, p)
  return {
    n,
    positives,
    baseRate: positives / n,
    auc: Number.isNaN(area) ? null : area,
    logLoss: logLoss(outcomes, p),
    brier: brier(outcomes, p),
    accuracy: accuracy(outcomes, p),
    calibration: calibration(outcomes, p),
  }
}
