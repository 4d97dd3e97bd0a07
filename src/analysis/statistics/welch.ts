import type { Effect } from './effect.ts'
import { around, type Interval, type Side } from './interval.ts'
import { twoSidedCritical } from './normal.ts'
import { tAbove, tTwoSided, tTwoSidedCritical } from './studentT.ts'

export interface TTest {
  readonly t: number
  readonly df: number
  readonly p: number
  readonly ci: Interval
}

/**
 * Welch's t-test of an effect against 0 (Welch 1947). `side` names the alternative: `greater` asks whether the
 * treatment is above the control. The interval is Student's or, as most experiment reports have it, the normal one.
 */
export function welchTest(
  effect: Effect,
  {
    alpha = 0.05,
    side = 'two',
    interval = 't',
  }: { alpha?: number; side?: Side; interval?: 't' | 'normal' } = {},
): TTest {
  const { estimate, standardError, df } = effect
  // No spread and no difference is no evidence; no spread and a difference is nothing a t-test can judge.
  const t =
    estimate === 0 && standardError === 0 ? 0 : standardError > 0 ? estimate / standardError : Number.NaN
  const tails = side === 'two' ? alpha : 2 * alpha
  const critical = interval === 't' ? tTwoSidedCritical(tails, df) : twoSidedCritical(tails)
  return { t, df, p: pValue(t, df, side), ci: around(estimate, critical * standardError, side) }
}

function pValue(t: number, df: number, side: Side): number {
  if (t === 0 && Number.isNaN(df)) return side === 'two' ? 1 : 0.5
  switch (side) {
    case 'two':
      return tTwoSided(t, df)
    case 'greater':
      return tAbove(t, df)
    case 'less':
      return tAbove(-t, df)
  }
}
