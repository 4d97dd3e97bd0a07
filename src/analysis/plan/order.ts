/**
 * Quantiles of values in any order by linear interpolation, as PostgreSQL's `percentile_cont`: the values around each rank are found by
 * histograms, several times faster than sorting. Each is multiplied by `scale` before interpolating. NaN without values.
 */
export function quantiles(values: Float64Array, p: readonly number[], scale = 1): number[] {
  return p.map((share) => {
    if (values.length === 0) return Number.NaN
    const at = share * (values.length - 1)
    const low = Math.floor(at)
    const [lower, upper] = neighbours(values, low)
    const below = lower * scale
    const above = upper * scale
    const part = at - low
    // from the nearer end, as NumPy does, so that both agree to the last bit
    return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part)
  })
}

const SORT_BELOW = 4096
const BUCKETS = 1 << 14

/** The values of rank `rank` and `rank + 1` (the last one again at the end). */
function neighbours(values: Float64Array, rank: number): [number, number] {
  if (values.length <= SORT_BELOW) {
    const sorted = values.slice().sort()
    return [sorted[rank]!, sorted[Math.min(rank + 1, sorted.length - 1)]!]
  }
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  if (min === max) return [min, max]
  const scale = (BUCKETS - 1) / (max - min)
  const counts = new Uint32Array(BUCKETS)
  for (let i = 0; i < values.length; i++) counts[((values[i]! - min) * scale) | 0]! += 1
  let bucket = 0
  let before = 0
  while (before + counts[bucket]! <= rank) before += counts[bucket++]!
  const inside = new Float64Array(counts[bucket]!)
  let next = max
  let count = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    const b = ((value - min) * scale) | 0
    if (b === bucket) inside[count++] = value
    else if (b > bucket && value < next) next = value
  }
  const [lower, upper] = neighbours(inside, rank - before)
  const last = rank - before === inside.length - 1
  return [lower, last ? (rank === values.length - 1 ? lower : next) : upper]
}
