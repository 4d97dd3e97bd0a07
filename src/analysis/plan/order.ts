/**
 * Quantiles of values in any order by linear interpolation, as PostgreSQL's `percentile_cont`. The values around the ranks are found by one
 * histogram, several times faster than sorting. Each is multiplied by `scale` before interpolating. NaN without values.
 */
export function quantiles(values: Float64Array, p: readonly number[], scale = 1): number[] {
  const { length } = values
  if (length === 0) return p.map(() => Number.NaN)
  const lows = p.map((share) => Math.floor(share * (length - 1)))
  const found = select(
    values,
    lows.flatMap((low) => [low, Math.min(low + 1, length - 1)]),
  )
  return p.map((share, i) => {
    const below = found[2 * i]! * scale
    const above = found[2 * i + 1]! * scale
    const part = share * (length - 1) - lows[i]!
    // from the nearer end, as NumPy does, so that both agree to the last bit
    return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part)
  })
}

const SORT_BELOW = 2048
const BUCKETS = 1 << 13

/** The values of these ranks. */
function select(values: Float64Array, ranks: readonly number[]): number[] {
  if (values.length <= SORT_BELOW) {
    const sorted = values.slice().sort()
    return ranks.map((rank) => sorted[rank]!)
  }
  let min = values[0]!
  let max = min
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    if (value < min) min = value
    else if (value > max) max = value
  }
  if (min === max) return ranks.map(() => min)
  const scale = (BUCKETS - 1) / (max - min)
  const counts = new Uint32Array(BUCKETS)
  for (let i = 0; i < values.length; i++) counts[((values[i]! - min) * scale) | 0]! += 1
  const before = new Uint32Array(BUCKETS + 1)
  for (let b = 0; b < BUCKETS; b++) before[b + 1] = before[b]! + counts[b]!
  const bucketOf = (rank: number) => {
    let [low, high] = [0, BUCKETS - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (before[middle + 1]! > rank) high = middle
      else low = middle + 1
    }
    return low
  }
  const wanted = [...new Set(ranks.map(bucketOf))]
  const place = new Int32Array(BUCKETS).fill(-1)
  const inside = wanted.map((bucket, i) => {
    place[bucket] = i
    return new Float64Array(counts[bucket]!)
  })
  const filled = new Uint32Array(wanted.length)
  for (let i = 0; i < values.length; i++) {
    const to = place[((values[i]! - min) * scale) | 0]!
    if (to >= 0) inside[to]![filled[to]!++] = values[i]!
  }
  return ranks.map((rank) => {
    const bucket = bucketOf(rank)
    return select(inside[place[bucket]!]!, [rank - before[bucket]!])[0]!
  })
}

/** Values brought together by group: those of group g from start[g] up to start[g + 1]. */
export function byGroup(
  values: Float64Array,
  group: Uint32Array,
  groups: number,
): { readonly values: Float64Array; readonly start: Uint32Array } {
  const start = new Uint32Array(groups + 1)
  for (let i = 0; i < group.length; i++) start[group[i]! + 1]! += 1
  for (let g = 0; g < groups; g++) start[g + 1]! += start[g]!
  const next = start.slice()
  const together = new Float64Array(values.length)
  for (let i = 0; i < values.length; i++) together[next[group[i]!]!++] = values[i]!
  return { values: together, start }
}
