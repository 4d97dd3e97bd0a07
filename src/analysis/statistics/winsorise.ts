import { quantile } from './quantile.ts'

/** The bounds outside which a value is pulled in. */
export interface Caps {
  readonly low: number
  readonly high: number
}

/**
 * Caps at two quantiles of the values of all arms together: caps of each arm's own would bias the comparison. `low`
 * and `high` are shares, such as 0.01 and 0.99; left out, that side stays open.
 */
export function capsAt(values: ArrayLike<number>, { low, high }: { low?: number; high?: number }): Caps {
  return {
    low: low === undefined || values.length === 0 ? Number.NEGATIVE_INFINITY : quantile(values, low),
    high: high === undefined || values.length === 0 ? Number.POSITIVE_INFINITY : quantile(values, high),
  }
}

export const winsorise = (value: number, { low, high }: Caps): number => Math.min(high, Math.max(low, value))
