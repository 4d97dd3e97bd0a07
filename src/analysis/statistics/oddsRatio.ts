import type { Interval } from './interval.ts'
import { normalTwoSided, twoSidedCritical } from './normal.ts'

export interface OddsRatio {
  readonly oddsRatio: number
  readonly ci: Interval
  readonly p: number
}

/**
 * How much the odds to convert change with a property: (a/b) / (c/d), a and b the converted and dropped with it, c and d
 * without. `prior` is added to each cell so that an empty one gives a finite answer: 1 as PostHog does, 0.5 after Haldane
 * (1956) and Anscombe (1956), 0 for the plain ratio. The interval and p are Woolf's (1955), on the log scale.
 */
export function oddsRatio(
  cells: { readonly with: ConvertedDropped; readonly without: ConvertedDropped },
  { prior = 0.5, alpha = 0.05 }: { prior?: number; alpha?: number } = {},
): OddsRatio {
  const a = cells.with.converted + prior
  const b = cells.with.dropped + prior
  const c = cells.without.converted + prior
  const d = cells.without.dropped + prior
  const ratio = (a * d) / (b * c)
  const log = Math.log(ratio)
  const deviation = Math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
  const reach = twoSidedCritical(alpha) * deviation
  return {
    oddsRatio: ratio,
    ci: [Math.exp(log - reach), Math.exp(log + reach)],
    p: normalTwoSided(log / deviation),
  }
}

export interface ConvertedDropped {
  readonly converted: number
  readonly dropped: number
}
