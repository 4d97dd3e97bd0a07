import { type Position, START } from '../../domain/position.ts'
import type { AnalysisEvent } from './analysisEvent.ts'
import { AttributeColumn } from './attributeColumn.ts'
import { EventCodes } from './eventCodes.ts'
import { Growable, sharedFloat64, sharedUint32 } from './growable.ts'
import { PropertyColumn } from './propertyColumn.ts'
import type { Run } from './run.ts'
import { type LiveRun, RunSet } from './runSet.ts'
import { StringTable } from './stringTable.ts'
import { Users } from './users.ts'

export type UnitKind = 'session' | 'user'

/** What queries read: a consistent state of the index, which later events do not change. */
export interface View {
  readonly unit: UnitKind
  readonly runs: readonly LiveRun[]
  /** Units are numbered below this. */
  readonly units: number
  /** The unit of each session, or null where units are sessions. */
  readonly unitOf: Int32Array | null
  readonly events: number
  /** The latest time of an event, ms; −∞ without events. */
  readonly newest: number
}

/**
 * The events of one flow of one tenant in columns: one more reader of the log. Sessions, users and kinds of event are numbers;
 * attributes and properties are coded by dictionaries. Rebuilt from the log at any time.
 */
export class ColumnarIndex {
  readonly codes = new EventCodes()
  readonly attributes = new Map<string, AttributeColumn>()
  readonly properties = new Map<string, PropertyColumn>()
  /** The values of signals, by row. */
  readonly signalRow = new Growable(sharedUint32)
  readonly signalValue = new Growable(sharedFloat64)
  readonly sessions: StringTable
  readonly users: Users
  readonly runSet = new RunSet()
  /** The last event taken in. */
  position: Position = START
  newest = Number.NEGATIVE_INFINITY
  oldest = Number.POSITIVE_INFINITY
  #sealed = 0
  readonly #session = new Growable(sharedUint32)
  readonly #code = new Growable(sharedUint32)
  readonly #time = new Growable(sharedFloat64)
  readonly #revision = new Growable(sharedUint32)
  readonly #views = new Map<UnitKind, View>()

  constructor(sessions = new StringTable(), users = new Users()) {
    this.sessions = sessions
    this.users = users
  }

  get events(): number {
    return this.#sealed + this.#session.length
  }

  append(event: AnalysisEvent): void {
    const time = typeof event.occurredAt === 'number' ? event.occurredAt : Date.parse(event.occurredAt)
    const session = this.sessions.add(event.sessionId)
    const row = this.events
    const code = this.#codeOf(event)
    this.#session.push(session)
    this.#code.push(code)
    this.#time.push(time)
    this.#revision.push(event.revision)
    this.codes.counts.items[code]! += 1
    if (time > this.newest) this.newest = time
    if (time < this.oldest) this.oldest = time
    this.position = event.position
    const user = userOf(event)
    if (user !== null) this.users.assign(session, user)
    this.users.touch(session)
    this.#record(event, session, row, time)
    if (this.#session.length >= SEAL_AT && this.#session.length * 3 >= this.#sealed) this.#seal()
  }

  /** The state up to now; the same object until something is appended. */
  view(unit: UnitKind): View {
    const known = this.#views.get(unit)
    if (known && known.events === this.events) return known
    this.#seal()
    this.runSet.tidy(this.sessions.size)
    const units = this.sessions.size
    const users = unit === 'user'
    const view: View = {
      unit,
      runs: users ? this.users.live(this.runSet, units) : this.runSet.live(),
      units,
      unitOf: users ? this.users.unitOf(units) : null,
      events: this.events,
      newest: this.newest,
    }
    this.#views.set(unit, view)
    return view
  }

  /** The number of a session or user by their id. A session without a user is its own user. */
  unit(kind: UnitKind, id: string): number | undefined {
    const user = kind === 'user' ? this.users.unit(id) : undefined
    if (user !== undefined) return user
    const session = this.sessions.find(id)
    if (session < 0 || (kind === 'user' && this.users.userOf.get(session) >= 0)) return undefined
    return session
  }

  /** The id of a unit. */
  unitId(kind: UnitKind, unit: number): string {
    const user = kind === 'user' ? this.users.userOf.get(unit) : -1
    return user < 0 ? this.sessions.text(unit) : this.users.ids.text(user)
  }

  /** Bytes held, by part. `perEvent` is without attributes and properties. */
  memory(): { events: number; ids: number; attributes: number; properties: number; perEvent: number } {
    const tail = [this.#session, this.#code, this.#time, this.#revision]
    const events = this.runSet.bytes + tail.reduce((sum, column) => sum + column.bytes, 0)
    const ids = this.sessions.bytes + this.users.bytes
    const sum = (columns: Iterable<{ bytes: number }>) =>
      [...columns].reduce((all, { bytes }) => all + bytes, 0)
    return {
      events,
      ids,
      attributes: sum(this.attributes.values()),
      properties: sum(this.properties.values()) + this.signalRow.bytes + this.signalValue.bytes,
      perEvent: this.events === 0 ? 0 : (events + ids) / this.events,
    }
  }

  /** Puts back what a file held. */
  restore(state: { position: Position; oldest: number; newest: number; run: Run | null }): void {
    this.position = state.position
    this.oldest = state.oldest
    this.newest = state.newest
    if (!state.run) return
    this.runSet.add(state.run)
    this.#sealed = state.run.code.length
  }

  /** Brings everything into one run, for a file. */
  compact(): Run | null {
    this.#seal()
    this.runSet.mergeAll(this.sessions.size)
    return this.runSet.runs[0] ?? null
  }

  #seal(): void {
    const length = this.#session.length
    if (length === 0) return
    const tail = {
      firstRow: this.#sealed,
      length,
      session: this.#session.items,
      code: this.#code.items,
      time: this.#time.items,
      revision: this.#revision.items,
    }
    this.runSet.addTail(tail, this.sessions.size)
    this.#sealed += length
    for (const column of [this.#session, this.#code, this.#time, this.#revision]) column.clear()
  }

  #codeOf({ type, data }: AnalysisEvent): number {
    if (type === 'StepCompleted') return this.codes.add('step', String(data.stepId))
    if (type === 'SignalTracked') return this.codes.add('signal', String(data.signal))
    return this.codes.add('event', type)
  }

  #record({ type, data }: AnalysisEvent, session: number, row: number, time: number): void {
    switch (type) {
      case 'SessionStarted':
        if (data.flowVersion !== undefined) this.#recordProperties({ flowVersion: data.flowVersion }, row)
        this.#recordAttributes(data.context, session, time)
        break
      case 'AttributesRecorded':
        this.#recordAttributes(data.attributes, session, time)
        break
      case 'StepCompleted':
        this.#recordProperties(data.data, row)
        break
      case 'SignalTracked':
        this.#recordProperties(data.properties, row)
        if (typeof data.value !== 'number') break
        this.signalRow.push(row)
        this.signalValue.push(data.value)
        break
      case 'ExposureRecorded':
        this.#recordProperties({ experiment: data.experiment, variant: data.variant }, row)
        break
      default:
        this.#recordProperties(data, row)
    }
  }

  #recordAttributes(attributes: unknown, session: number, time: number): void {
    for (const [key, value] of entries(attributes)) {
      const column = this.attributes.get(key) ?? new AttributeColumn()
      this.attributes.set(key, column)
      column.record(session, time, value)
    }
  }

  #recordProperties(properties: unknown, row: number): void {
    for (const [key, value] of entries(properties)) {
      const column = this.properties.get(key) ?? new PropertyColumn()
      this.properties.set(key, column)
      column.record(row, value)
    }
  }
}

/** While events pour in they are brought in order this many at once at least. */
const SEAL_AT = 1 << 20

function userOf({ userId, data }: AnalysisEvent): string | null {
  if (typeof userId === 'string') return userId
  return typeof data.userId === 'string' ? data.userId : null
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}
