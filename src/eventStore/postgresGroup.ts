import type { EventMetadata, NewEvent, StoredEvent } from '../domain/envelope.ts'
import { hexArray, int4Array, textArray, uuidArray } from './binaryArrays.ts'
import { EncodedEvent } from './encodedEvent.ts'
import type { AppendResult, ExpectedRevision } from './eventStore.ts'
import type { TailEvent } from './tailEvents.ts'

/** An append on its way, with the texts that will be stored. */
export interface PendingAppend {
  readonly stream: string
  /** −1 for none. */
  readonly expected: number
  readonly events: readonly PendingEvent[]
  /** Of data and metadata; roughly, where they are few. */
  readonly bytes: number
}

interface PendingEvent {
  readonly id: string
  readonly type: string
  readonly chain: string
  /** Where `encode` made it, and it is what its text says. */
  readonly given: EventMetadata | undefined
  readonly data: string
  /** Without the chain. */
  readonly metadata: string
}

/** Appends to one stream that follow on each other; they succeed or fail at once. */
export interface Run<A extends PendingAppend> {
  readonly stream: string
  readonly expected: number
  readonly appends: A[]
  count: number
}

/**
 * Appends that go to the database in one call: at most one run a stream. Those of `late` cannot succeed if their stream's run
 * does; what became of them is seen afterwards.
 */
export interface Group<A extends PendingAppend> {
  readonly runs: Run<A>[]
  readonly late: A[]
}

export function pending(
  stream: string,
  events: readonly NewEvent[],
  expected: ExpectedRevision,
): PendingAppend {
  let characters = 0
  const prepared = events.map((event) => {
    const data = EncodedEvent.dataText(event)
    const metadata = EncodedEvent.metadataText(event)
    characters += data.length + metadata.length
    const { id, type, metadata: all } = event
    const given = EncodedEvent.is(event) ? all : undefined
    return { id, type, chain: all.chain, given, data, metadata }
  })
  const bytes = characters < FEW_CHARACTERS ? characters : exactBytes(prepared)
  return { stream, expected: expected === 'no_stream' ? -1 : expected, events: prepared, bytes }
}

/** At three bytes a character at most, so many are well within what an append may have: then they pass for bytes. */
const FEW_CHARACTERS = 250_000

function exactBytes(events: readonly PendingEvent[]): number {
  return events.reduce(
    (sum, { data, metadata }) => sum + Buffer.byteLength(data) + Buffer.byteLength(metadata),
    0,
  )
}

export function formGroup<A extends PendingAppend>(appends: readonly A[]): Group<A> {
  const runs = new Map<string, Run<A>>()
  const late: A[] = []
  for (const append of appends) {
    const run = runs.get(append.stream)
    if (!run) {
      const { stream, expected, events } = append
      runs.set(stream, { stream, expected, appends: [append], count: events.length })
    } else if (append.expected === run.expected + run.count) {
      run.appends.push(append)
      run.count += append.events.length
    } else late.push(append)
  }
  return { runs: [...runs.values()], late }
}

/** The parameters of log.reserve_v1. */
export function reserveParameters(runs: readonly Run<PendingAppend>[]): Buffer[] {
  return [
    textArray(runs.map(({ stream }) => stream)),
    int4Array(runs.map(({ expected }) => expected)),
    int4Array(runs.map(({ count }) => count)),
  ]
}

/** The parameters of log.append_v2. */
export function appendParameters(runs: readonly Run<PendingAppend>[]): Buffer[] {
  const owners: number[] = []
  const revisions: number[] = []
  const events: PendingEvent[] = []
  runs.forEach((run, index) => {
    let revision = run.expected
    for (const append of run.appends)
      for (const event of append.events) {
        owners.push(index + 1)
        revisions.push(++revision)
        events.push(event)
      }
  })
  return [
    ...reserveParameters(runs),
    int4Array(owners),
    int4Array(revisions),
    uuidArray(events.map(({ id }) => id)),
    textArray(events.map(({ type }) => type)),
    hexArray(events.map(({ chain }) => chain)),
    textArray(events.map(({ data }) => data)),
    textArray(events.map(({ metadata }) => metadata)),
  ]
}

/** What the database said of a group: the log's last position before it, and each run's revision before it. */
export interface GroupAnswer {
  readonly base: number
  readonly actual: readonly number[]
  /** When its events were written, where that is known. */
  readonly at?: Date
}

/** What one append came to: done, or refused at the given revision, perhaps because it is a repeat. */
export type Verdict = AppendResult | { readonly ok: undefined; readonly actual: number }

/** The verdicts of a group's appends. */
export function verdicts<A extends PendingAppend>(group: Group<A>, answer: GroupAnswer): Map<A, Verdict> {
  const found = new Map<A, Verdict>()
  const after = new Map<string, number>()
  let position = answer.base
  group.runs.forEach((run, index) => {
    const actual = answer.actual[index]!
    const accepted = actual === run.expected
    after.set(run.stream, accepted ? actual + run.count : actual)
    let revision = actual
    for (const append of run.appends) {
      if (!accepted) {
        found.set(append, { ok: undefined, actual })
        continue
      }
      revision += append.events.length
      position += append.events.length
      found.set(append, { ok: true, revision, position: String(position), fresh: true })
    }
  })
  for (const append of group.late) found.set(append, { ok: undefined, actual: after.get(append.stream)! })
  return found
}

/** The events of a group that were accepted, for who follows the log. */
export function appendedEvents(
  { runs }: Group<PendingAppend>,
  { base, actual }: GroupAnswer,
  recordedAt: string,
): TailEvent[] {
  const appended: TailEvent[] = []
  let position = base
  runs.forEach(({ stream, expected, appends }, index) => {
    if (actual[index] !== expected) return
    let revision = expected
    for (const { events } of appends)
      for (const event of events)
        appended.push(new AppendedEvent(event, stream, ++revision, ++position, recordedAt))
  })
  return appended
}

class AppendedEvent implements TailEvent {
  readonly stream: string
  readonly #pending: PendingEvent
  readonly #revision: number
  readonly #position: number
  readonly #recordedAt: string
  #made: StoredEvent | undefined

  constructor(pending: PendingEvent, stream: string, revision: number, position: number, recordedAt: string) {
    this.stream = stream
    this.#pending = pending
    this.#revision = revision
    this.#position = position
    this.#recordedAt = recordedAt
  }

  get type(): string {
    return this.#pending.type
  }

  get position(): string {
    return String(this.#position)
  }

  get size(): number {
    return this.#pending.data.length
  }

  /** As reading it from the log gives it. */
  event(): StoredEvent {
    const { id, type, chain, given, data, metadata } = this.#pending
    this.#made ??= {
      id,
      type,
      stream: this.stream,
      revision: this.#revision,
      position: this.position,
      data: JSON.parse(data),
      metadata: given ?? { ...JSON.parse(metadata), chain },
      recordedAt: this.#recordedAt,
    }
    return this.#made
  }
}
