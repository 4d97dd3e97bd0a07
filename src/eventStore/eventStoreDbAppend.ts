import shared from '@eventstore/db-client/generated/shared_pb.js'
import type streams from '@eventstore/db-client/generated/streams_pb.js'
import type { NewEvent } from '../domain/envelope.ts'
import { checkAppend, checkSize } from './appendChecks.ts'
import { type Append, type AppendResult, EventStoreUnavailable, type ExpectedRevision } from './eventStore.ts'
import { type Prepared, prepare } from './eventStoreDbBatch.ts'
import type { Connection } from './eventStoreDbConnection.ts'
import { Retry } from './eventStoreDbErrors.ts'
import { readStream } from './eventStoreDbRead.ts'

type Response = InstanceType<typeof streams.BatchAppendResp>

export interface AppendTiming {
  /** One try is given up after so long, and the client with it. */
  readonly attemptMs: number
  /** The outcome must be known after so long. */
  readonly deadlineMs: number
}

/** Appends until the outcome is known: a try whose outcome is unknown is made again with the same ids and expected revision. */
export class Appender {
  readonly #connection: Connection
  readonly #timing: AppendTiming
  #inFlight = 0
  #onIdle = () => {}

  constructor(connection: Connection, timing: AppendTiming) {
    this.#connection = connection
    this.#timing = timing
  }

  async append(
    stream: string,
    events: readonly NewEvent[],
    expected: ExpectedRevision,
  ): Promise<AppendResult> {
    if (this.#connection.closing.aborted) throw new EventStoreUnavailable('The log is closed')
    checkAppend(stream, events, expected)
    const prepared = events.map(prepare)
    checkSize(sizeOf(prepared))
    this.#inFlight += 1
    try {
      return await this.#untilKnown(stream, prepared, expected)
    } finally {
      this.#inFlight -= 1
      if (this.#inFlight === 0) this.#onIdle()
    }
  }

  /** Answers when nothing is in flight any more, or after the time of one try. */
  async idle(): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#timing.attemptMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #untilKnown(
    stream: string,
    prepared: readonly Prepared[],
    expected: ExpectedRevision,
  ): Promise<AppendResult> {
    const retry = new Retry({ deadlineMs: this.#timing.deadlineMs })
    for (;;) {
      const client = this.#connection.client
      try {
        const timeout = Math.max(1, Math.min(this.#timing.attemptMs, retry.left))
        const appends = await within(this.#connection.appends(), timeout)
        const result = verdictOf(await appends.send(stream, prepared, expected, timeout))
        if (result.ok || retry.tries === 0) return result
        return (await this.#foundWritten(stream, prepared, expected)) ?? result
      } catch (error) {
        if (error instanceof AppendRefused) throw error
        // An answer that settles nothing comes over a sound connection; on a cluster another node may know more.
        if (!(error instanceof Unsettled) || this.#connection.url.cluster)
          this.#connection.failed(client, error)
        await retry.again(error)
      }
    }
  }

  /** Shows that the log can be written, without writing: no stream has such a revision, and the server must look to say so. */
  async probe(): Promise<void> {
    const result = await this.#untilKnown('gangway-probe', [PROBE], NO_REVISION)
    if (result.ok) throw new Error('EventStoreDB took an append at a revision that cannot be')
  }

  /** Each with its own verdict, in the order given, so many at once as the server takes gladly. */
  async appendMany(appends: readonly Append[]): Promise<AppendResult[]> {
    const results: AppendResult[] = []
    let next = 0
    let failed = false
    const work = async () => {
      while (next < appends.length && !failed) {
        const index = next
        next += 1
        const { stream, events, expected } = appends[index]!
        try {
          results[index] = await this.append(stream, events, expected)
        } catch (error) {
          failed = true
          throw error
        }
      }
    }
    const workers = await Promise.allSettled(Array.from({ length: AT_ONCE }, work))
    const broken = workers.find((worker) => worker.status === 'rejected')
    if (broken) throw broken.reason
    return results
  }

  /**
   * After a try whose outcome was unknown, a wrong revision may be our own events: the server knows a repeat by its ids, but only while
   * its index has caught up. The stream itself says.
   */
  async #foundWritten(
    stream: string,
    events: readonly Prepared[],
    expected: ExpectedRevision,
  ): Promise<AppendResult | undefined> {
    const from = expected === 'no_stream' ? 0 : expected + 1
    let index = 0
    const place = { from, limit: events.length }
    for await (const event of readStream(this.#connection, this.#timing, stream, place)) {
      if (event.id !== events[index]?.id) return undefined
      index += 1
      if (index === events.length) return { ok: true, revision: event.revision, position: event.position }
    }
    return undefined
  }
}

const AT_ONCE = 64
/** Above any revision that a stream will have. */
const NO_REVISION = 2 ** 48
const PROBE: Prepared = {
  id: '00000000-0000-4000-8000-000000000000',
  type: 'Probe',
  data: Buffer.from('{}'),
  metadata: Buffer.from('{}'),
}

/** The server says no for good: asking again would answer the same. */
class AppendRefused extends Error {
  override readonly name = 'AppendRefused'
}

/** The server answered, but not what became of the append. */
class Unsettled extends Error {
  override readonly name = 'Unsettled'
}

function verdictOf(response: Response): AppendResult {
  const success = response.getSuccess()
  if (success) {
    const position = success.getPosition()?.getCommitPosition()
    if (position === undefined) throw new AppendRefused('EventStoreDB told no position')
    return { ok: true, revision: Number(success.getCurrentRevision()), position }
  }
  const error = response.getError()
  const details = error?.getDetails()
  const kind = details?.getTypeName().replace('event_store.client.', '')
  switch (kind) {
    case 'WrongExpectedVersion': {
      const wrong = shared.WrongExpectedVersion.deserializeBinary(details!.getValue_asU8())
      const exists = wrong.hasCurrentStreamRevision()
      return { ok: false, actual: exists ? Number(wrong.getCurrentStreamRevision()) : 'no_stream' }
    }
    case 'StreamDeleted':
    case 'MaximumAppendSizeExceeded':
    case 'InvalidTransaction':
    case 'BadRequest':
      throw new AppendRefused(`EventStoreDB refuses the append: ${kind} ${error!.getMessage()}`)
    default:
      // Timeout, Unknown, AccessDenied while it starts, "Server Is Not Ready", not the leader: the outcome is unknown.
      throw new Unsettled(`EventStoreDB: ${kind ?? 'no details'} ${error?.getMessage() ?? ''}`)
  }
}

function sizeOf(events: readonly Prepared[]): number {
  let bytes = 0
  for (const { data, metadata, type } of events) bytes += data.length + metadata.length + 2 * type.length
  return bytes
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no connection within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
