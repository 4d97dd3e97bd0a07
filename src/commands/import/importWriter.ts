import type { EventMetadata, NewEvent } from '../../domain/envelope.ts'
import { derivedId } from '../../domain/ids.ts'
import type { JsonObject } from '../../domain/json.ts'
import type { SessionEvent } from '../../domain/sessionEvents.ts'
import { streamName } from '../../domain/stream.ts'
import { canonicalJson } from '../../eventStore/canonicalJson.ts'
import type { StreamPlace } from '../../eventStore/codec.ts'
import type { Append, AppendResult, EventStore } from '../../eventStore/eventStore.ts'
import { SharedEncoder } from '../../eventStore/sharedEncoder.ts'
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
/** So many lines are made ready and sent before the next, so that neither we nor the log wait for the other. */
const PART_LINES = 1000
/** Line and metadata must fit one append of at most 1 MiB. */
const EVENT_BYTES = 1_000_000

/** Writes prepared lines to the streams of their sessions, each line at most once whoever else writes. */
export class ImportWriter {
  readonly #store: EventStore
  readonly #context: ImportContext
  readonly #encoder: SharedEncoder
  readonly #known: KnownSessions
  sessions = 0
  events = 0

  constructor(store: EventStore, context: ImportContext) {
    this.#store = store
    this.#context = context
    this.#encoder = new SharedEncoder(context.metadata)
    this.#known = new KnownSessions(context.flowId)
  }

  async write(lines: readonly PreparedLine[], reject: (line: RejectedLine) => void): Promise<void> {
    let left = groupBySession(lines)
    while (left.size > 0) {
      const known = await this.#meet([...left.keys()])
      const conflicts = new Map<string, PreparedLine[]>()
      for (const { session, begun, events, refused } of await this.#writeParts(left, known, reject)) {
        if (begun) this.sessions += 1
        this.events += events
        if (!refused) continue
        // Somebody else wrote to the session: look again, and plan what is left of it.
        this.#known.delete(session)
        conflicts.set(session, left.get(session)!)
      }
      left = conflicts
    }
  }

  /** Makes the next part ready while the log writes the one before. */
  async #writeParts(
    sessions: ReadonlyMap<string, readonly PreparedLine[]>,
    known: ReadonlyMap<string, KnownSession>,
    reject: (line: RejectedLine) => void,
  ): Promise<Written[]> {
    const parts: Promise<Written[]>[] = []
    let work: Planned[] = []
    let events = 0
    const send = () => {
      const part = this.#append(work)
      part.catch(() => {})
      parts.push(part)
      work = []
      events = 0
    }
    for (const [session, own] of sessions) {
      work.push(...this.#plan(session, known.get(session)!, own, reject))
      events += own.length
      if (events < PART_LINES) continue
      send()
      await new Promise((next) => setImmediate(next))
    }
    send()
    return (await Promise.all(parts)).flat()
  }

  /**
   * One portion of every session at a time, since a stream's portions follow each other. Of what was written only the numbers are kept: a whole
   * batch of events would outlive its time with the collector.
   */
  async #append(work: readonly Planned[]): Promise<Written[]> {
    const verdicts = work.map((planned): [Planned, AppendResult[]] => [planned, []])
    for (let portion = 0; ; portion++) {
      const round = verdicts.filter(
        ([{ appends }, results]) => appends.length > portion && results.every(({ ok }) => ok),
      )
      if (round.length === 0) return verdicts.map(writtenOf)
      const results = await this.#store.appendMany(round.map(([{ appends }]) => appends[portion]!))
      for (const [index, [, own]] of round.entries()) own.push(results[index]!)
    }
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

interface Planned {
  readonly session: string
  readonly begins: boolean
  readonly appends: readonly Append[]
}

/** What became of what was planned for a session. */
interface Written {
  readonly session: string
  readonly begun: boolean
  /** Of its lines. */
  readonly events: number
  readonly refused: boolean
}

function writtenOf([{ session, begins, appends }, verdicts]: [Planned, readonly AppendResult[]]): Written {
  const refused = verdicts.findIndex((verdict) => !verdict.ok)
  const counted = appends.slice(0, refused < 0 ? undefined : refused)
  const events = counted.reduce((sum, append) => sum + append.events.length, 0)
  const begun = begins && events > 0
  return { session, begun, events: events - (begun ? 1 : 0), refused: refused >= 0 }
}

function groupBySession(lines: readonly PreparedLine[]): Map<string, PreparedLine[]> {
  const groups = new Map<string, PreparedLine[]>()
  for (const line of lines) {
    const group = groups.get(line.session)
    if (group) group.push(line)
    else groups.set(line.session, [line])
  }
  return groups
}
