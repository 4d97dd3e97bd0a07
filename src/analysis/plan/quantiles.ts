import {
  type Buckets,
  bucketsOver,
  collectBuckets,
  countBuckets,
  type Grouped,
  type Values,
} from './buckets.ts'

/** Some of the values, as one thread met them. */
export interface Sample {
  readonly chunks: readonly Grouped[]
  /** How many lie in each of `bucketsOver(0, within, groups)`, where that was counted. */
  readonly counts: Uint32Array | null
}

interface QuantileOptions {
  /** Each value is multiplied by this before interpolating. */
  readonly scale?: number
  /** No value is less than 0 or more than this, where that is known: spares looking for the least and the largest. */
  readonly within?: number
}

const SORT_BELOW = 1 << 11

/** Values as a part of those asked for below; where there are many of them they are counted, so that each thread can do that for its own. */
export function sampleOf(chunks: readonly Grouped[], groups: number, within: number): Sample {
  const counted = Number.isFinite(within) && sizeOf(chunks) > SORT_BELOW
  return { chunks, counts: counted ? countBuckets(chunks, groups, bucketsOver(0, within, groups)) : null }
}

/**
 * Quantiles of all values and of each group's, by linear interpolation, as PostgreSQL's `percentile_cont`. The values around the ranks are found
 * by histograms, several times faster than sorting. NaN without values.
 */
export function groupedQuantiles(
  samples: readonly Sample[],
  groups: number,
  p: readonly number[],
  { scale = 1, within = Number.POSITIVE_INFINITY }: QuantileOptions = {},
): { readonly all: number[]; readonly of: readonly number[][] } {
  const rankOf = (share: number, length: number) => Math.floor(share * (length - 1))
  const ranks = (length: number) =>
    p.flatMap((share) => {
      const low = rankOf(share, length)
      return [low, Math.min(low + 1, length - 1)]
    })
  const interpolate = ({ length, values }: Ranked) =>
    p.map((share, i) => {
      if (length === 0) return Number.NaN
      const below = values[2 * i]! * scale
      const above = values[2 * i + 1]! * scale
      const part = share * (length - 1) - rankOf(share, length)
      // from the nearer end, as NumPy does, so that both agree to the last bit
      return part < 0.5 ? below + (above - below) * part : above - (above - below) * (1 - part)
    })
  const found = select(samples, groups, within, ranks).map(interpolate)
  return { all: found.at(-1)!, of: found.slice(0, groups) }
}

export function quantiles(values: Float64Array, p: readonly number[], options?: QuantileOptions): number[] {
  return groupedQuantiles([{ chunks: [{ values, group: null }], counts: null }], 1, p, options).all
}

/** The values of some ranks among `length`. */
interface Ranked {
  readonly length: number
  readonly values: readonly number[]
}

/** The values of the ranks that `ranks` asks for: of each group, and last, where there are several, of all together. */
function select(
  samples: readonly Sample[],
  groups: number,
  within: number,
  ranks: (length: number) => readonly number[],
): Ranked[] {
  const chunks = samples.flatMap((sample) => sample.chunks)
  const size = sizeOf(chunks)
  if (groups === 1 && size <= SORT_BELOW) {
    const sorted = joined(chunks, size).sort()
    return [{ length: size, values: size === 0 ? [] : ranks(size).map((rank) => sorted[rank]!) }]
  }
  const [min, max] = Number.isFinite(within) ? [0, within] : extent(chunks)
  const shape = bucketsOver(min, max, groups)
  const { buckets } = shape
  const counts = total(samples, groups, shape)
  const histograms = Array.from({ length: groups }, (_, g) => counts.subarray(g * buckets, (g + 1) * buckets))
  if (groups > 1) histograms.push(sum(histograms, buckets))

  const place = new Int16Array(histograms.length * buckets).fill(-1)
  const lists: Values[] = []
  const searched = histograms.map((histogram, h) => {
    const length = histogram.reduce((all, n) => all + n, 0)
    const wanted = (length === 0 ? [] : ranks(length)).map((rank) => {
      const { bucket, before } = bucketOf(histogram, rank)
      const cell = h * buckets + bucket
      if (place[cell] === -1) place[cell] = lists.push(numbersLike(chunks[0]!.values, histogram[bucket]!)) - 1
      return { list: place[cell]!, rank: rank - before }
    })
    return { length, wanted }
  })
  collectBuckets(chunks, groups, shape, { place, lists, filled: new Uint32Array(lists.length) })
  const valueAt = (list: number, rank: number) =>
    min === max
      ? min
      : select(
          [{ chunks: [{ values: lists[list]!, group: null }], counts: null }],
          1,
          Number.POSITIVE_INFINITY,
          () => [rank],
        )[0]!.values[0]!
  return searched.map(({ length, wanted }) => ({
    length,
    values: wanted.map(({ list, rank }) => valueAt(list, rank)),
  }))
}

const sizeOf = (chunks: readonly Grouped[]) => chunks.reduce((all, { values }) => all + values.length, 0)

/** Of the same kind: a loop that meets two kinds of array is slower for both. */
const numbersLike = (values: Values, length: number): Values =>
  values instanceof Uint32Array ? new Uint32Array(length) : new Float64Array(length)

function joined(chunks: readonly Grouped[], size: number): Values {
  const all = numbersLike(chunks[0]?.values ?? new Float64Array(), size)
  let at = 0
  for (const { values } of chunks) {
    all.set(values, at)
    at += values.length
  }
  return all
}

function extent(chunks: readonly Grouped[]): [min: number, max: number] {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const { values } of chunks) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      if (value < min) min = value
      if (value > max) max = value
    }
  }
  return [min, max]
}

/** The values in each bucket: as counted before, or counted now. */
function total(samples: readonly Sample[], groups: number, shape: Buckets): Uint32Array {
  return sum(
    samples.map(({ chunks, counts }) => counts ?? countBuckets(chunks, groups, shape)),
    groups * shape.buckets,
  )
}

function sum(counts: readonly Uint32Array[], cells: number): Uint32Array {
  const all = new Uint32Array(cells)
  for (const some of counts) for (let c = 0; c < cells; c++) all[c]! += some[c]!
  return all
}

function bucketOf(histogram: Uint32Array, rank: number): { bucket: number; before: number } {
  let before = 0
  let bucket = 0
  while (before + histogram[bucket]! <= rank) before += histogram[bucket++]!
  return { bucket, before }
}
