import { quantileOfSorted } from '../statistics/quantile.ts'

/** How good probabilities are, against what happened (1 or 0). Lists run side by side; NaN where there is nothing. */

/** Chance that one that happened was ranked above one that did not, ties counted half (Mann & Whitney 1947). */
export function auc(outcomes: ArrayLike<number>, scores: ArrayLike<number>): number {
  const order = Uint32Array.from(scores, (_, index) => index).sort((a, b) => scores[a]! - scores[b]!)
  let positives = 0
  let ranks = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    let hits = 0
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) {
      if (outcomes[order[end]!] === 1) hits += 1
      end += 1
    }
    // Equal scores share the middle of their ranks, from 1.
    ranks += (hits * (start + 1 + end)) / 2
    positives += hits
    start = end
  }
  const negatives = order.length - positives
  return positives === 0 || negatives === 0
    ? Number.NaN
    : (ranks - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** Mean squared distance from what happened (Brier 1950). */
export const brier = (outcomes: ArrayLike<number>, p: ArrayLike<number>): number =>
  meanOver(outcomes, (y, i) => (p[i]! - y) ** 2)

/** Mean of −log of the probability given to what happened, probabilities kept 1e-15 away from 0 and 1. */
export const logLoss = (outcomes: ArrayLike<number>, p: ArrayLike<number>): number =>
  meanOver(outcomes, (y, i) => {
    const given = Math.min(1 - 1e-15, Math.max(1e-15, p[i]!))
    return y === 1 ? -Math.log(given) : -Math.log1p(-given)
  })

/** Share of right answers when `threshold` decides. */
export const accuracy = (outcomes: ArrayLike<number>, p: ArrayLike<number>, threshold = 0.5): number =>
  meanOver(outcomes, (y, i) => (p[i]! >= threshold === (y === 1) ? 1 : 0))

export interface CalibrationBin {
  /** Mean probability and share that happened among the `n` of the bin. */
  readonly predicted: number
  readonly observed: number
  readonly n: number
}

/**
 * Bins between the quantiles of the probabilities (deciles unless told); one on an edge goes up. Equal probabilities
 * stay together, so that bins may differ in size, and an empty one is left out.
 */
export function calibration(outcomes: ArrayLike<number>, p: ArrayLike<number>, bins = 10): CalibrationBin[] {
  const sorted = Float64Array.from(p).sort()
  const edges = Array.from({ length: bins - 1 }, (_, i) => quantileOfSorted(sorted, (i + 1) / bins))
  const sums = Array.from({ length: bins }, () => ({ predicted: 0, observed: 0, n: 0 }))
  for (let i = 0; i < p.length; i++) {
    const above = edges.findIndex((edge) => p[i]! < edge)
    const bin = sums[above === -1 ? bins - 1 : above]!
    bin.predicted += p[i]!
    bin.observed += outcomes[i]!
    bin.n += 1
  }
  return sums
    .filter((bin) => bin.n > 0)
    .map(({ predicted, observed, n }) => ({ predicted: predicted / n, observed: observed / n, n }))
}

function meanOver(values: ArrayLike<number>, of: (value: number, index: number) => number): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += of(values[i]!, i)
  return total / values.length
}
