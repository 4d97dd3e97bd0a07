/** The `p` quantile of sorted values by linear interpolation: PostgreSQL's `percentile_cont`, NumPy's default. */
export function quantileOfSorted(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) return Number.NaN
  const at = p * (sorted.length - 1)
  const low = Math.floor(at)
  const below = sorted[low]!
  const above = sorted[Math.min(low + 1, sorted.length - 1)]!
  const part = at - low
  // NumPy's rounding: from the nearer end, so that both agree to the last bit.
  return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part)
}

/** The same of values in any order; does not change them. */
export const quantile = (values: ArrayLike<number>, p: number): number =>
  quantileOfSorted(Float64Array.from(values).sort(), p)
