/** Values in any order, each of a group. */
export interface Grouped {
  readonly values: Values
  /** The group of each value; null when all are of group 0. */
  readonly group: Uint32Array | null
}

export type Values = Float64Array | Uint32Array

/** Buckets of equal width from `min` on: a value's is ⌊(value − min) × factor⌋. */
export interface Buckets {
  readonly min: number
  readonly factor: number
  readonly buckets: number
}

/** Over all groups, as long as each has a good many. */
const CELLS = 1 << 15
const FEWEST = 1 << 10
const MOST = 1 << 12

/** Buckets for values from `min` to `max`. */
export function bucketsOver(min: number, max: number, groups: number): Buckets {
  const buckets = Math.min(MOST, Math.max(FEWEST, Math.floor(CELLS / groups)))
  return { min, buckets, factor: max > min ? (buckets - 1) / (max - min) : 0 }
}

/** How many values lie in each bucket, at group × buckets + bucket. */
export function countBuckets(
  chunks: readonly Grouped[],
  groups: number,
  { min, factor, buckets }: Buckets,
): Uint32Array {
  const counts = new Uint32Array(groups * buckets)
  for (const { values, group } of chunks) countChunk(values, group, min, factor, buckets, counts)
  return counts
}

/** Lists to be filled with the values of some buckets. */
export interface Wanted {
  /** Which list the values of group × buckets + bucket go to, or −1; of the group after the last one, those of all groups. */
  readonly place: Int16Array
  readonly lists: readonly Values[]
  /** How much of each list is filled. */
  readonly filled: Uint32Array
}

/** Fills the lists. */
export function collectBuckets(
  chunks: readonly Grouped[],
  groups: number,
  { min, factor, buckets }: Buckets,
  { place, lists, filled }: Wanted,
): void {
  const all = groups * buckets
  for (const { values, group } of chunks)
    collectChunk(values, group, min, factor, buckets, all, place, lists, filled)
}

/*
 * The loops over all values know nothing but numbers and arrays, since what is looked up in an object there, or decided, costs as much as
 * the work itself. Both of a kind stand in one function: a shorter one is inlined by V8's middle compiler, and the loop then stays with
 * its code, which is four times slower.
 */

function countChunk(
  values: Values,
  group: Uint32Array | null,
  min: number,
  factor: number,
  buckets: number,
  counts: Uint32Array,
): void {
  if (group === null) {
    for (let i = 0; i < values.length; i++) counts[((values[i]! - min) * factor) >>> 0]! += 1
  } else {
    for (let i = 0; i < values.length; i++)
      counts[group[i]! * buckets + (((values[i]! - min) * factor) >>> 0)]! += 1
  }
}

function collectChunk(
  values: Values,
  group: Uint32Array | null,
  min: number,
  factor: number,
  buckets: number,
  all: number,
  place: Int16Array,
  lists: readonly Values[],
  filled: Uint32Array,
): void {
  if (group === null) {
    for (let i = 0; i < values.length; i++) {
      const list = place[((values[i]! - min) * factor) >>> 0]!
      if (list >= 0) lists[list]![filled[list]!++] = values[i]!
    }
  } else {
    for (let i = 0; i < values.length; i++) {
      const bucket = ((values[i]! - min) * factor) >>> 0
      const own = place[group[i]! * buckets + bucket]!
      if (own >= 0) lists[own]![filled[own]!++] = values[i]!
      const shared = place[all + bucket]!
      if (shared >= 0) lists[shared]![filled[shared]!++] = values[i]!
    }
  }
}
