import { sharedFloat64, sharedUint32 } from './growable.ts'

/**
 * Whole histories of some units, one after another, each ordered by time and then as recorded. Never changed once made:
 * when a unit gets further events a newer run takes it over and its slot here is stale.
 */
export interface Run {
  /** The unit of each slot, ascending: a session's number, for a user the number of their first session. */
  readonly unit: Uint32Array
  /** Where each slot's events begin; one more entry than slots. */
  readonly start: Uint32Array
  readonly code: Uint32Array
  /** ms since 1970 UTC */
  readonly time: Float64Array
  /** Order in the log, from 0. */
  readonly row: Uint32Array
  /** Revision in the session's stream. */
  readonly revision: Uint32Array
  /** The session of each event, where units are users; else the unit is the session. */
  readonly session: Uint32Array | null
}

/** Events not yet in a run, in log order; the first has row `firstRow`. */
export interface Tail {
  readonly firstRow: number
  readonly length: number
  readonly session: Uint32Array
  readonly code: Uint32Array
  readonly time: Float64Array
  readonly revision: Uint32Array
}

/** A stretch of a run: one unit's events. */
export interface Slice {
  readonly run: Run
  readonly from: number
  readonly to: number
}

/** The slice of a unit, or undefined when the run has none of it. */
export function sliceOf(run: Run, unit: number): Slice | undefined {
  let low = 0
  let high = run.unit.length - 1
  if (run.unit[unit] === unit) low = high = unit // in a run of all sessions the slot is the unit
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = run.unit[middle]!
    if (found === unit) return { run, from: run.start[middle]!, to: run.start[middle + 1]! }
    if (found < unit) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

/**
 * A run of `units` (ascending). `slices` gives what is already ordered of a unit, and `tail`, where there is one, holds later events
 * of sessions that are among the units.
 */
export function buildRun(
  units: Uint32Array,
  slices: (unit: number, each: (slice: Slice, session: number) => void) => void,
  { tail, withSession = false }: { tail?: Tail; withSession?: boolean } = {},
): Run {
  const unit = sharedUint32(units.length)
  unit.set(units)
  const start = sharedUint32(units.length + 1)
  const slotOf = tail ? slots(units) : undefined
  for (let slot = 0; slot < units.length; slot++) {
    let size = 0
    slices(units[slot]!, ({ from, to }) => {
      size += to - from
    })
    start[slot + 1] = size
  }
  if (tail && slotOf) for (let i = 0; i < tail.length; i++) start[slotOf[tail.session[i]!]! + 1]! += 1
  for (let slot = 0; slot < units.length; slot++) start[slot + 1]! += start[slot]!

  const size = start[units.length]!
  const run: Run = {
    unit,
    start,
    code: sharedUint32(size),
    time: sharedFloat64(size),
    row: sharedUint32(size),
    revision: sharedUint32(size),
    session: withSession ? sharedUint32(size) : null,
  }
  const next = start.slice(0, units.length)
  for (let slot = 0; slot < units.length; slot++) {
    slices(units[slot]!, (slice, session) => {
      copy(slice, run, next[slot]!, session)
      next[slot]! += slice.to - slice.from
    })
  }
  if (tail && slotOf) {
    for (let i = 0; i < tail.length; i++) {
      const slot = slotOf[tail.session[i]!]!
      const at = next[slot]!++
      run.code[at] = tail.code[i]!
      run.time[at] = tail.time[i]!
      run.row[at] = tail.firstRow + i
      run.revision[at] = tail.revision[i]!
    }
  }
  for (let slot = 0; slot < units.length; slot++) order(run, start[slot]!, start[slot + 1]!)
  return run
}

function slots(units: Uint32Array): Uint32Array {
  const slotOf = new Uint32Array(units.length === 0 ? 0 : units[units.length - 1]! + 1)
  for (let slot = 0; slot < units.length; slot++) slotOf[units[slot]!] = slot
  return slotOf
}

function copy({ run, from, to }: Slice, into: Run, at: number, session: number): void {
  for (let i = from, j = at; i < to; i++, j++) {
    into.code[j] = run.code[i]!
    into.time[j] = run.time[i]!
    into.row[j] = run.row[i]!
    into.revision[j] = run.revision[i]!
    if (into.session) into.session[j] = run.session ? run.session[i]! : session
  }
}

/** Puts one unit's events in order of time, then row. Most are already. */
function order({ code, time, row, revision, session }: Run, from: number, to: number): void {
  let ordered = true
  for (let i = from + 1; i < to && ordered; i++) {
    ordered = time[i - 1]! < time[i]! || (time[i - 1] === time[i] && row[i - 1]! < row[i]!)
  }
  if (ordered) return
  const order = Uint32Array.from({ length: to - from }, (_, i) => from + i)
  order.sort((a, b) => time[a]! - time[b]! || row[a]! - row[b]!)
  for (const column of [code, time, row, revision, session]) {
    if (column)
      column.set(
        Float64Array.from(order, (i) => column[i]!),
        from,
      )
  }
}

export const runBytes = (run: Run): number =>
  [run.unit, run.start, run.code, run.time, run.row, run.revision, run.session].reduce(
    (sum, column) => sum + (column?.byteLength ?? 0),
    0,
  )
