import { Growable, sharedUint8, sharedUint32 } from './growable.ts'
import { buildRun, type Run, runBytes, type Slice, sliceOf, type Tail } from './run.ts'

/** A run as queries see it: `stale` marks (1) the slots that a newer run took over, or is null when there are none. */
export interface LiveRun extends Run {
  readonly stale: Uint8Array | null
}

/**
 * The runs that together hold every unit once. A change of few units makes a small run; small runs are merged when they are
 * many, and everything into one when they hold a third of it, so that each event is moved a bounded number of times.
 */
export class RunSet {
  runs: Run[] = []
  /** The run of each unit, as its place in `runs` + 1; 0 is none. */
  readonly #home = new Growable((length) => new Uint32Array(length))

  get events(): number {
    return this.runs.reduce((sum, run) => sum + run.code.length, 0)
  }

  get bytes(): number {
    return this.#home.bytes + this.runs.reduce((sum, run) => sum + runBytes(run), 0)
  }

  slice(unit: number): Slice | undefined {
    const home = this.#home.get(unit)
    return home === 0 ? undefined : sliceOf(this.runs[home - 1]!, unit)
  }

  /** Takes in a run; its units' older slots become stale. */
  add(run: Run): void {
    if (run.unit.length === 0) return
    this.runs.push(run)
    this.#claim(run, this.runs.length)
  }

  /** Takes in events that came after all others, of sessions below `sessions`. */
  addTail(tail: Tail, sessions: number): void {
    const everything = tail.length * 3 >= this.events
    const touched = new Uint8Array(sessions)
    if (everything) touched.fill(1)
    else for (let i = 0; i < tail.length; i++) touched[tail.session[i]!] = 1
    const run = this.#build(touched, tail)
    if (everything) this.runs = []
    this.add(run)
  }

  /** Merges runs where they have become many or hold much that is stale. */
  tidy(units: number): void {
    const [first] = this.runs
    if (!first || this.runs.length < 2) return
    const small = this.events - first.code.length
    if (small * 2 > first.code.length) this.#merge(units, 0)
    else if (this.runs.length > 8) this.#merge(units, 1)
  }

  /** Everything in one run. */
  mergeAll(units: number): void {
    if (this.runs.length > 1) this.#merge(units, 0)
  }

  /** The runs with their stale slots marked, and besides those of the units that `elsewhere` marks. */
  live(elsewhere: Uint8Array | null = null): LiveRun[] {
    return this.runs.map((run, place) => {
      const stale = sharedUint8(run.unit.length)
      let any = false
      for (let slot = 0; slot < stale.length; slot++) {
        const unit = run.unit[slot]!
        if (this.#home.items[unit] === place + 1 && !elsewhere?.[unit]) continue
        stale[slot] = 1
        any = true
      }
      return { ...run, stale: any ? stale : null }
    })
  }

  #merge(units: number, from: number): void {
    const member = new Uint8Array(units)
    for (let unit = 0; unit < units; unit++) if (this.#home.get(unit) > from) member[unit] = 1
    const run = this.#build(member)
    this.runs = this.runs.slice(0, from)
    this.add(run)
  }

  #build(member: Uint8Array, tail?: Tail): Run {
    let size = 0
    for (const flag of member) size += flag
    const units = sharedUint32(size)
    let slot = 0
    for (let unit = 0; unit < member.length; unit++) if (member[unit]) units[slot++] = unit
    const withSession = this.runs.some((run) => run.session !== null)
    return buildRun(
      units,
      (unit, each) => {
        const slice = this.slice(unit)
        if (slice) each(slice, 0)
      },
      { ...(tail && { tail }), withSession },
    )
  }

  #claim(run: Run, home: number): void {
    for (const unit of run.unit) this.#home.set(unit, home)
  }
}
