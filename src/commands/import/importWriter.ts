import type { EventMetadata, NewEvent } from '../../domain/envelope.ts'
import { derivedId } from '../../domain/ids.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { SessionEvent } from '../../domain/sessionEvents.ts'
import { streamName } from '../../domain/stream.ts'
import { canonicalJson } from '../../eventStore/canonicalJson.ts'
import type { StreamPlace } from '../../eventStore/codec.ts'
import type { EventStore } from '../../eventStore/eventStore.ts'
import { SharedEncoder } from '../../eventStore/sharedEncoder.ts'
import { appendPlanned, type Planned, type Written } from './appendPlanned.ts'
import { AppendPortions } from './appendPortions.ts'
import { type KnownSession, KnownSessions, NO_LINES } from './knownSessions.ts'
import type { PreparedLine, RejectedLine } from './prepareLine.ts'
import { nextUuid } from './randomUuids.ts'

interface ImportContext {
  readonly tenant: string
  readonly flowId: string
  readonly flowVersion: number
  readonly metadata: Omit<EventMetadata, 'v' | 'chain' | 'occurredAt' | 'commandId'>
}

const READS_AT_ONCE = 16
/** So many events are made ready and sent before the next: as many as the log writes as one group, since a few more would be one of their own. */
const PART_EVENTS = 2000
/**
 * Parts on their way at a time: some that the log writes, so that neither we nor it wait for the other, and no more, since what waits for long
 * outlives its time with the collector.
 */
const MOST_PARTS = 4
/** Lines made ready before others have a turn: the log's next answer may be there, and nobody else writes until it is heard. */
const TURN_LINES = 250
/** Line and metadata must fit one append of at most 1 MiB. */
const EVENT_BYTES = 1_000_000

/** Writes prepared lines to the streams of their sessions, each line at most once whoever else writes. */
export class ImportWriter {
  readonly #store: EventStore
  readonly #context: ImportContext
  readonly #encoder: SharedEncoder
  readonly #known: KnownSessions
  /** The lines written before these, perhaps not in the log yet. */
  #before: { readonly sessions: ReadonlySet<string>; readonly written: Promise<void> } = {
    sessions: new Set(),
    written: Promise.resolve(),
  }
  readonly #underWay: Promise<unknown>[] = []
  sessions = 0
  events = 0

  constructor(store: EventStore, context: ImportContext) {
    this.#store = store
    this.#context = context
    this.#encoder = new SharedEncoder(context.metadata)
    this.#known = new KnownSessions(context.flowId)
  }

  /**
   * Answers once all of it is on its way, that the next lines may come; `written` when it is in the log. What others of a session are on their
   * way to is not touched before: only then is it known where its stream ends.
   */
  async write(
    lines: readonly PreparedLine[],
    reject: (line: RejectedLine) => void,
  ): Promise<{ readonly written: Promise<void> }> {
    const before = this.#before
    const sessions = groupBySession(lines)
    const free = new Map(sessions)
    const shared: Sessions = new Map()
    for (const session of before.sessions)
      if (free.delete(session)) shared.set(session, sessions.get(session)!)
    const parts = await this.#send(free, reject)
    await before.written
    parts.push(...(await this.#send(shared, reject)))
    const written = this.#settle(sessions, parts, reject)
    written.catch(() => {})
    this.#before = { sessions: new Set(sessions.keys()), written }
    return { written }
  }

  /** Counts what was written, and writes again what was refused. */
  async #settle(
    sessions: Sessions,
    sent: Promise<Written[]>[],
    reject: (line: RejectedLine) => void,
  ): Promise<void> {
    for (let parts = sent; ; ) {
      const conflicts: Sessions = new Map()
      for (const { session, begun, events, refused } of (await Promise.all(parts)).flat()) {
        if (begun) this.sessions += 1
        this.events += events
        if (!refused) continue
        // Somebody else wrote to the session: look again, and plan what is left of it.
        this.#known.delete(session)
        conflicts.set(session, sessions.get(session)!)
      }
      if (conflicts.size === 0) return
      parts = await this.#send(conflicts, reject)
    }
  }

  /** Makes parts ready while the log writes those before. */
  async #send(sessions: Sessions, reject: (line: RejectedLine) => void): Promise<Promise<Written[]>[]> {
    if (sessions.size === 0) return []
    const known = await this.#meet([...sessions.keys()])
    const parts: Promise<Written[]>[] = []
    let work: Planned[] = []
    let events = 0
    let sinceTurn = 0
    const send = async () => {
      const part = appendPlanned(this.#store, work)
      part.catch(() => {})
      parts.push(part)
      work = []
      events = 0
      this.#underWay.push(part)
      if (this.#underWay.length >= MOST_PARTS) await this.#underWay.shift()
    }
    for (const [session, own] of sessions) {
      const met = known.get(session)!
      const most = own.length + (met.place === 'no_stream' ? 1 : 0)
      if (events > 0 && events + most > PART_EVENTS) await send()
      work.push(...this.#plan(session, met, own, reject))
      events += most
      sinceTurn += most
      if (sinceTurn < TURN_LINES) continue
      await new Promise((next) => setImmediate(next))
      sinceTurn = 0
    }
    await send()
    return parts
  }

  /** What is known of these sessions, fetched where it was not. */
  async #meet(sessions: readonly string[]): Promise<ReadonlyMap<string, KnownSession>> {
    const met = new Map<string, KnownSession>()
    const unknown: string[] = []
    for (const session of sessions) {
      const known = this.#known.get(session)
      if (known) met.set(session, known)
      else unknown.push(session)
    }
    if (unknown.length === 0) return met
    const heads = await this.#store.heads(unknown.map((session) => this.#stream(session)))
    const existing: string[] = []
    for (const session of unknown) {
      if (heads.has(this.#stream(session))) existing.push(session)
      else met.set(session, { place: 'no_stream', flowId: null, lines: NO_LINES })
    }
    const queue = existing.values()
    await Promise.all(
      Array.from({ length: Math.min(READS_AT_ONCE, existing.length) }, async () => {
        for (const session of queue) {
          const known = await this.#read(session)
          met.set(session, known)
          this.#known.set(session, known)
        }
      }),
    )
    return met
  }

  async #read(session: string): Promise<KnownSession> {
    const lines = new Set<string>()
    let flowId: string | null = null
    let place: StreamPlace = 'no_stream'
    for await (const event of this.#store.read(this.#stream(session))) {
      lines.add(event.metadata.commandId)
      if (event.type === 'SessionStarted') flowId = event.data.flowId as string
      place = { revision: event.revision, chain: event.metadata.chain }
    }
    return { place, flowId, lines }
  }

  /** The appends of one session's lines, none when all were recorded before. */
  #plan(
    session: string,
    known: KnownSession,
    lines: readonly PreparedLine[],
    reject: (line: RejectedLine) => void,
  ): Planned[] {
    const { flowId, flowVersion } = this.#context
    if (known.flowId !== null && known.flowId !== flowId) {
      const detail = `the session ${JSON.stringify(session)} belongs to the flow ${JSON.stringify(known.flowId)}`
      for (const { line } of lines) reject({ line, code: 'session_in_other_flow', detail })
      return []
    }
    const fitting = lines.filter((line) => {
      if (known.lines.has(line.id)) return false
      const fits = line.bytes <= EVENT_BYTES
      if (!fits)
        reject({
          line: line.line,
          code: 'event_too_large',
          detail: 'the line leaves no room for its envelope in 1 MiB',
        })
      return fits
    })
    if (fitting.length === 0) return []
    const begins = known.place === 'no_stream'
    const stream = this.#stream(session)
    const portions = new AppendPortions(stream, known.place)
    this.#encoder.begin(stream, known.place)
    if (begins) {
      const first = fitting[0]!
      const userId = first.event.type === 'AttributesRecorded' ? (first.event.data.userId ?? null) : null
      const data = { context: {}, flowId, flowVersion, imported: true as const, userId }
      const id = derivedId('session-imported', this.#context.tenant, session)
      const dataText = canonicalJson(data)
      portions.add(this.#event(id, { type: 'SessionStarted', data }, dataText, first.occurredAt), 0)
    }
    for (const { id, event, dataText, occurredAt, bytes } of fitting)
      portions.add(this.#event(id, event, dataText, occurredAt), bytes)
    this.#known.set(session, { place: this.#encoder.place, flowId, lines: known.lines })
    return [{ session, begins, appends: portions.appends() }]
  }

  /**
   * The line is the command. Its event's id is random and not derived from it: of two imports that write the same line to the same
   * place, the log must refuse one, which then looks again, and not take it for a repeat of the other.
   */
  #event(commandId: string, event: SessionEvent, dataText: string, occurredAt: string): NewEvent {
    const { type, data } = event
    return this.#encoder.next({
      id: nextUuid(),
      commandId,
      type,
      data: data as JsonObject,
      dataText,
      occurredAt,
    })
  }

  #stream(session: string): string {
    return streamName('session', this.#context.tenant, session)
  }
}

/** Lines by their session. */
type Sessions = Map<string, PreparedLine[]>

function groupBySession(lines: readonly PreparedLine[]): Sessions {
  const groups: Sessions = new Map()
  for (const line of lines) {
    const group = groups.get(line.session)
    if (group) group.push(line)
    else groups.set(line.session, [line])
  }
  return groups
}
