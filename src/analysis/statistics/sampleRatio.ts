import { type ChiSquareTest, chiSquareAbove } from './chiSquare.ts'

/**
 * Sample ratio mismatch: Pearson's chi-square of the units seen in each arm against its weight (Fabijan et al. 2019).
 * An arm of weight 0 takes no part, and takes no degree of freedom with it, unless it holds units: those cannot have
 * come from the assignment, so the mismatch is certain (p = 0).
 */
export function sampleRatioTest(observed: readonly number[], weights: readonly number[]): ChiSquareTest {
  let units = 0
  let weight = 0
  let arms = 0
  let strays = 0
  for (const [arm, share] of weights.entries()) {
    if (share > 0) {
      arms += 1
      weight += share
      units += observed[arm] ?? 0
    } else strays += observed[arm] ?? 0
  }
  const df = arms - 1
  if (strays > 0) return { chiSquared: Number.POSITIVE_INFINITY, df, p: 0 }
  if (units === 0 || df < 1) return { chiSquared: 0, df: Math.max(df, 0), p: Number.NaN }
  let chiSquared = 0
  for (const [arm, share] of weights.entries()) {
    if (share <= 0) continue
    const expected = (share / weight) * units
    chiSquared += ((observed[arm] ?? 0) - expected) ** 2 / expected
  }
  return { chiSquared, df, p: chiSquareAbove(chiSquared, df) }
}

/** Below this p the arms were not filled as planned, and nothing else about the experiment can be trusted. */
export const SRM_ALPHA = 0.001
