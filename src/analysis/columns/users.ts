import { Growable, sharedInt32, sharedUint32 } from './growable.ts'
import { buildRun } from './run.ts'
import { type LiveRun, RunSet } from './runSet.ts'
import { StringTable } from './stringTable.ts'

/**
 * Sessions brought together by user. A user is numbered by their first session, so that units of both kinds share one
 * numbering. Whoever has one session only is read from the runs of sessions; the others have runs of their own.
 */
export class Users {
  readonly ids: StringTable
  /** The user of each session, −1 for none. */
  readonly userOf = new Growable(sharedInt32, -1)
  readonly #sessions = new Map<number, number[]>()
  readonly #firstSession = new Growable(sharedInt32, -1)
  readonly #touched = new Set<number>()
  #runs = new RunSet()
  #together: Uint8Array | undefined
  #unitOf: Int32Array | undefined

  constructor(ids = new StringTable()) {
    this.ids = ids
  }

  get bytes(): number {
    return this.ids.bytes + this.userOf.bytes + this.#firstSession.bytes + this.#runs.bytes
  }

  assign(session: number, userId: string): void {
    this.assignNumber(session, this.ids.add(userId))
  }

  assignNumber(session: number, user: number): void {
    const before = this.userOf.get(session)
    if (before === user) return
    this.#unitOf = undefined
    this.#together = undefined
    this.userOf.set(session, user)
    if (before >= 0) this.#regroup()
    else this.#join(session, user)
  }

  /** Notes that a session has a new event. */
  touch(session: number): void {
    const user = this.userOf.get(session)
    if (user >= 0 && this.#sessions.has(user)) this.#touched.add(user)
  }

  /** The first session of a user, or undefined for somebody unknown. */
  unit(userId: string): number | undefined {
    const user = this.ids.find(userId)
    const unit = user < 0 ? -1 : this.#firstSession.get(user)
    return unit < 0 ? undefined : unit
  }

  /** The unit of each session. */
  unitOf(sessions: number): Int32Array {
    if (this.#unitOf && this.#unitOf.length === sessions) return this.#unitOf
    const unitOf = sharedInt32(sessions)
    for (let session = 0; session < sessions; session++) {
      const user = this.userOf.get(session)
      unitOf[session] = user < 0 ? session : this.#firstSession.items[user]!
    }
    this.#unitOf = unitOf
    return unitOf
  }

  /** The runs of all units, given the runs of sessions. */
  live(sessionRuns: RunSet, sessions: number): LiveRun[] {
    if (this.#touched.size > 0) this.#refresh(sessionRuns, sessions)
    return [...sessionRuns.live(this.#marks(sessions)), ...this.#runs.live()]
  }

  /** The sessions that belong to a user with several. */
  #marks(sessions: number): Uint8Array {
    if (this.#together && this.#together.length === sessions) return this.#together
    const together = new Uint8Array(sessions)
    for (const list of this.#sessions.values()) for (const session of list) together[session] = 1
    this.#together = together
    return together
  }

  #refresh(sessionRuns: RunSet, sessions: number): void {
    const lists = new Map<number, readonly number[]>()
    for (const user of this.#touched) {
      lists.set(this.#firstSession.items[user]!, this.#sessions.get(user)!)
    }
    const units = sharedUint32(lists.size)
    units.set([...lists.keys()])
    units.sort()
    const run = buildRun(
      units,
      (unit, each) => {
        for (const session of lists.get(unit)!) {
          const slice = sessionRuns.slice(session)
          if (slice) each(slice, session)
        }
      },
      { withSession: true },
    )
    this.#touched.clear()
    this.#runs.add(run)
    this.#runs.tidy(sessions)
  }

  #join(session: number, user: number): void {
    const first = this.#firstSession.get(user)
    if (first < 0) {
      this.#firstSession.set(user, session)
      return
    }
    const list = this.#sessions.get(user)
    if (list) list.push(session)
    else this.#sessions.set(user, [first, session])
    this.#touched.add(user)
  }

  /** A session changed hands, which is rare: group everything anew. */
  #regroup(): void {
    this.#sessions.clear()
    this.#firstSession.clear()
    this.#touched.clear()
    this.#runs = new RunSet()
    for (let session = 0; session < this.userOf.length; session++) {
      const user = this.userOf.items[session]!
      if (user >= 0) this.#join(session, user)
    }
  }
}
