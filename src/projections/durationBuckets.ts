/**
 * Buckets of durations, log-linear as in HdrHistogram: exact below 16 ms, then 16 to each doubling, so that a bucket is at most 6.3 %
 * wide. Counts by bucket say where a quantile lies; the values in that one bucket say exactly what it is.
 */
export const SUB_BUCKETS = 16
const BITS = 4

/** The bucket of a duration in whole milliseconds, from 0. */
export function durationBucket(milliseconds: number): number {
  if (milliseconds < SUB_BUCKETS) return milliseconds
  let shift = Math.floor(Math.log2(milliseconds)) - BITS
  // The logarithm is not exact beside powers of two.
  if (milliseconds >= 2 ** (shift + BITS + 1)) shift += 1
  else if (milliseconds < 2 ** (shift + BITS)) shift -= 1
  return (shift + 1) * SUB_BUCKETS + Math.floor(milliseconds / 2 ** shift) - SUB_BUCKETS
}

/** The first duration of a bucket; the next bucket's is the first beyond it. */
export function bucketStart(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1
  return ((bucket % SUB_BUCKETS) + SUB_BUCKETS) * 2 ** shift
}
