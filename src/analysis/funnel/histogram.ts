/** A bin holds from inclusive, to exclusive; seconds. */
export interface HistogramBin {
  readonly from: number
  readonly to: number
  readonly count: number
}

const MAX_BINS = 60

/** Equal bins of whole seconds, the cube root of n of them (at most 60) and one for the largest, as PostHog's automatic bins. */
export function histogram(seconds: readonly number[]): HistogramBin[] {
  if (seconds.length === 0) return []
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const value of seconds) {
    if (value < min) min = value
    if (value > max) max = value
  }
  const bins = Math.min(MAX_BINS, Math.ceil(Math.cbrt(seconds.length)))
  const width = Math.max(1, Math.ceil((max - min) / bins))
  const counts = new Array<number>(bins + 1).fill(0)
  for (const value of seconds) counts[Math.floor((value - min) / width)]! += 1
  return counts.map((count, i) => ({ from: min + i * width, to: min + (i + 1) * width, count }))
}
