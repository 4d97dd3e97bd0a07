export type Correction = 'none' | 'bonferroni' | 'holm' | 'bh'

/**
 * p-values adjusted for being several, in the order given: Bonferroni, Holm (1979; family-wise error) or Benjamini &
 * Hochberg (1995; false discovery rate). A NaN is no test: it stays NaN and does not count. `tests` is the size of the
 * family when it is larger than the list.
 */
export function adjustP(p: readonly number[], correction: Correction, tests?: number): number[] {
  const order = [...p.keys()].filter((index) => !Number.isNaN(p[index]!)).sort((a, b) => p[a]! - p[b]!)
  const m = Math.max(tests ?? 0, order.length)
  const adjusted = p.map(() => Number.NaN)
  switch (correction) {
    case 'none':
      return [...p]
    case 'bonferroni':
      for (const index of order) adjusted[index] = Math.min(1, p[index]! * m)
      return adjusted
    case 'holm': {
      let highest = 0
      for (const [rank, index] of order.entries()) {
        highest = Math.max(highest, Math.min(1, p[index]! * (m - rank)))
        adjusted[index] = highest
      }
      return adjusted
    }
    case 'bh': {
      let lowest = 1
      for (const [rank, index] of [...order.entries()].reverse()) {
        lowest = Math.min(lowest, p[index]! * (m / (rank + 1)))
        adjusted[index] = lowest
      }
      return adjusted
    }
  }
}

/** How many hypotheses fall at level `alpha`. */
export const rejected = (p: readonly number[], correction: Correction, alpha: number): number =>
  adjustP(p, correction).filter((adjusted) => adjusted <= alpha).length

/**
 * Weighted Bonferroni: `primaryShare` of alpha is split evenly over the primary tests, the rest over the others. With no
 * test on one side the other gets it all.
 */
export function splitAlpha(split: {
  readonly alpha: number
  readonly primaryShare: number
  readonly primary: number
  readonly others: number
}): { primary: number; others: number } {
  const { alpha, primaryShare, primary, others } = split
  const share = others === 0 ? 1 : primary === 0 ? 0 : primaryShare
  return {
    primary: primary === 0 ? 0 : (alpha * share) / primary,
    others: others === 0 ? 0 : (alpha * (1 - share)) / others,
  }
}
