/**
 * Buckets of durations, log-linear as in HdrHistogram: exact below 64 ms, then 64 to each doubling, so that a bucket is at most 1.6 %
 * wide. Counts by bucket say where a quantile lies; the values in that one bucket say exactly what it is.
 */
const SUB_BUCKETS = 64

/** The bucket of a duration in whole milliseconds, from 0. */
export function durationBucket(milliseconds: number): number {
  if (milliseconds < SUB_BUCKETS) return milliseconds
  const doublings = Math.floor(Math.log2(milliseconds)) - 6
  // log2 is not exact beside powers of two.
  const shift =
    milliseconds >= 2 ** (doublings + 7)
      ? doublings + 1
      : milliseconds < 2 ** (doublings + 6)
        ? doublings - 1
        : doublings
  return (shift + 1) * SUB_BUCKETS + Math.floor(milliseconds / 2 ** shift) - SUB_BUCKETS
}

/** The first duration of a bucket; the next bucket's is the first beyond it. */
export function bucketStart(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1
  return ((bucket % SUB_BUCKETS) + SUB_BUCKETS) * 2 ** shift
}
