import { sharedFloat64, sharedUint32 } from './growable.ts'

/** Where the events of one code are in a run, ascending, and their times (ms). */
export interface Posting {
  readonly at: Uint32Array
  readonly time: Float64Array
}

interface Scanned {
  readonly code: Uint32Array
  readonly time: Float64Array
}

/** Postings made so far, by a run's codes; they go when the run goes. */
const known = new WeakMap<Uint32Array, Map<number, Posting>>()

/** The postings of some codes in a run. Made when first asked for; a run keeps those of half of its events at most. */
export function postingsOf({ code, time }: Scanned, codes: readonly number[]): Posting[] {
  let postings = known.get(code)
  if (!postings) {
    postings = new Map()
    known.set(code, postings)
  }
  const missing = [...new Set(codes)].filter((c) => !postings.has(c))
  if (missing.length > 0) {
    const made = scan({ code, time }, missing)
    const held = [...postings.values(), ...made].reduce((sum, { at }) => sum + at.length, 0)
    const used = codes.flatMap((c) => postings.get(c) ?? []).map((posting) => posting)
    if (held > code.length / 2)
      for (const [c, posting] of postings) if (!used.includes(posting)) postings.delete(c)
    for (const [i, c] of missing.entries()) postings.set(c, made[i]!)
  }
  return codes.map((c) => postings.get(c)!)
}

export function postingBytes({ code }: Scanned): number {
  const postings = known.get(code)
  return postings
    ? [...postings.values()].reduce((sum, { at, time }) => sum + at.byteLength + time.byteLength, 0)
    : 0
}

function scan({ code, time }: Scanned, codes: readonly number[]): Posting[] {
  const most = codes.reduce((max, c) => Math.max(max, c), 0)
  const place = new Int32Array(most + 1).fill(-1)
  for (const [i, c] of codes.entries()) place[c] = i
  const counts = new Uint32Array(codes.length)
  for (let i = 0; i < code.length; i++) {
    const c = code[i]!
    if (c <= most && place[c]! >= 0) counts[place[c]!]! += 1
  }
  const postings = codes.map((_, i) => ({ at: sharedUint32(counts[i]!), time: sharedFloat64(counts[i]!) }))
  const next = new Uint32Array(codes.length)
  for (let i = 0; i < code.length; i++) {
    const c = code[i]!
    if (c > most) continue
    const p = place[c]!
    if (p < 0) continue
    const { at, time: times } = postings[p]!
    const n = next[p]!++
    at[n] = i
    times[n] = time[i]!
  }
  return postings
}
