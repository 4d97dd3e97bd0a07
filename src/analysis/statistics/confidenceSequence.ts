import type { Effect } from './effect.ts'
import { around, type Interval, type Side } from './interval.ts'

/**
 * Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, arXiv 2103.06476): intervals
 * that hold at all sample sizes at once, so that one may look whenever one likes and stop when one likes. They are the
 * normal mixture of Robbins (1970), tightest at `tuning` units.
 */
export interface SequentialOptions {
  readonly alpha?: number
  /** Units (both arms) at which the interval should be tightest. 5,000 is GrowthBook's default. */
  readonly tuning?: number
  readonly side?: Side
}

const TUNING = 5000

export interface SequentialTest {
  /** Always valid: over all looks together it falls to alpha or below with probability at most alpha under no effect. */
  readonly p: number
  readonly ci: Interval
}

/** ρ² that makes the mixture tightest at `tuning` units (eq. 161). */
function mixturePrecision(alpha: number, tuning: number): number {
  const spread = -2 * Math.log(alpha)
  return (spread + Math.log(spread + 1)) / tuning
}

/**
 * How many standard errors the interval reaches after `n` units: what 1.96 is to a fixed test. Grows slowly with
 * √log n, and steeply towards the first few units.
 */
export function sequentialCritical(
  n: number,
  { alpha = 0.05, tuning = TUNING, side = 'two' }: SequentialOptions = {},
): number {
  const square = mixturePrecision(side === 'two' ? alpha : 2 * alpha, tuning)
  const spread = n * square + 1
  const level =
    side === 'two' ? Math.log(Math.sqrt(spread) / alpha) : Math.log(1 + Math.sqrt(spread) / (2 * alpha))
  return Math.sqrt((2 * spread * level) / (n * square))
}

/** The effect's interval and p-value, valid under continuous looking. No spread in the data is no evidence: p = 1. */
export function sequentialTest(effect: Effect, options: SequentialOptions = {}): SequentialTest {
  const { alpha = 0.05, tuning = TUNING, side = 'two' } = options
  const { estimate, standardError, n } = effect
  const ci = around(estimate, sequentialCritical(n, options) * standardError, side)
  if (Number.isNaN(standardError)) return { p: Number.NaN, ci }
  if (standardError === 0) return { p: 1, ci }
  return {
    p: side === 'two' ? twoSidedP(estimate / standardError, n, alpha, tuning) : oneSidedP(effect, options),
    ci,
  }
}

/** One over the e-value of the mixture (eq. 155). */
function twoSidedP(z: number, n: number, alpha: number, tuning: number): number {
  const nSquare = n * mixturePrecision(alpha, tuning)
  const spread = nSquare + 1
  return Math.min(1, Math.sqrt(spread) * Math.exp((-z * z * nSquare) / (2 * spread)))
}

/**
 * The level at which the one-sided interval stops short of 0, with ρ held at what `alpha` chose. From the interval of
 * eq. 134: reach(level)² = 2 · spread · log(1 + √spread / 2·level) / nρ², solved for the level; no more than 1.
 */
function oneSidedP(
  { estimate, standardError, n }: Effect,
  { alpha = 0.05, tuning = TUNING, side }: SequentialOptions,
): number {
  const towards = side === 'greater' ? estimate : -estimate
  if (towards <= 0) return 1
  const nSquare = n * mixturePrecision(2 * alpha, tuning)
  const spread = nSquare + 1
  const level = ((towards / standardError) ** 2 * nSquare) / (2 * spread)
  return Math.min(1, Math.sqrt(spread) / (2 * Math.expm1(level)))
}
