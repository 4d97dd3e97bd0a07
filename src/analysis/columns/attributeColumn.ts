import { Growable, sharedFloat64, sharedInt32, sharedUint32 } from './growable.ts'
import { MISSING, ValueDictionary } from './valueDictionary.ts'

/** One attribute of sessions: every value it was given, when, and the one last known. */
export class AttributeColumn {
  readonly dictionary = new ValueDictionary()
  readonly session = new Growable(sharedUint32)
  readonly time = new Growable(sharedFloat64)
  readonly code = new Growable(sharedInt32)
  readonly #last = new Growable(sharedInt32, MISSING)
  readonly #lastTime = new Growable(sharedFloat64, Number.NEGATIVE_INFINITY)
  #newest = Number.NEGATIVE_INFINITY

  record(session: number, time: number, value: unknown): void {
    this.restore(session, time, this.dictionary.add(value))
  }

  /** As `record`, of a code that the dictionary holds already. */
  restore(session: number, time: number, code: number): void {
    this.session.push(session)
    this.time.push(time)
    this.code.push(code)
    if (time > this.#newest) this.#newest = time
    if (time < this.#lastTime.get(session)) return
    this.#last.set(session, code)
    this.#lastTime.set(session, time)
  }

  /**
   * The code last known at `asOf` of every unit, MISSING where none: units are sessions, or what `unitOf` maps sessions to.
   * Among equal times the one recorded later holds.
   */
  lastKnown(asOf: number, sessions: number, unitOf: Int32Array | null = null): Int32Array {
    if (asOf >= this.#newest && unitOf === null) {
      this.#last.reserve(sessions)
      return this.#last.items
    }
    const known = sharedInt32(sessions).fill(MISSING)
    const since = new Float64Array(sessions).fill(Number.NEGATIVE_INFINITY)
    const { session, time, code } = this
    for (let i = 0; i < session.length; i++) {
      const at = time.items[i]!
      const recorded = session.items[i]!
      const unit = unitOf === null ? recorded : unitOf[recorded]!
      if (at > asOf || at < since[unit]!) continue
      known[unit] = code.items[i]!
      since[unit] = at
    }
    return known
  }

  get bytes(): number {
    const columns = [this.session, this.time, this.code, this.#last, this.#lastTime]
    return columns.reduce((sum, column) => sum + column.bytes, 0)
  }
}
