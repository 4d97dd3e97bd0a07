import {
  BACKWARDS,
  END,
  type EventStoreDBClient,
  FORWARDS,
  START as FROM_START,
  type ResolvedEvent,
  StreamDeletedError,
  StreamNotFoundError,
} from '@eventstore/db-client'
import type { StoredEvent } from '../domain/envelope.ts'
import type { ReadOptions, StreamHead } from './eventStore.ts'
import type { Connection } from './eventStoreDbConnection.ts'
import { Retry } from './eventStoreDbErrors.ts'
import { storedEvent } from './eventStoreDbEvent.ts'
import { Inbox, type Source } from './eventStoreDbInbox.ts'

export interface ReadTiming {
  /** Silence after which a read is made again on another connection. */
  readonly attemptMs: number
  /** Time without progress after which it gives up. */
  readonly deadlineMs: number
}

/** Events that a read holds ahead of its consumer. */
const AHEAD = 1_000
const HEADS_AT_ONCE = 32

/**
 * What a read delivers. It is opened again when it breaks or falls silent, from wherever `open` then says, until the deadline passes without
 * progress. Ends with the read, and at once for a stream that is not there. Throws EventStoreUnavailable.
 */
export async function* resumed<T>(
  connection: Connection,
  timing: ReadTiming,
  open: (client: EventStoreDBClient) => Source<T>,
): AsyncGenerator<T[]> {
  const retry = new Retry({ deadlineMs: timing.deadlineMs, signal: connection.closing })
  for (;;) {
    const { client } = connection
    let inbox: Inbox<T> | undefined
    try {
      inbox = new Inbox(open(client.api), { limit: AHEAD, kind: 'read' })
      for (;;) {
        const delivery = await inbox.take(timing.attemptMs)
        if (!delivery) return
        yield delivery.items
        retry.progress()
      }
    } catch (error) {
      if (error instanceof StreamNotFoundError || error instanceof StreamDeletedError) return
      connection.failed(client, error)
      await retry.again(error)
    } finally {
      inbox?.cancel()
    }
  }
}

/** One stream, from either end. */
export async function* readStream(
  connection: Connection,
  timing: ReadTiming,
  stream: string,
  options: ReadOptions = {},
): AsyncGenerator<StoredEvent> {
  const step = options.direction === 'backwards' ? -1 : 1
  let next = options.from
  let left = options.limit ?? Number.MAX_SAFE_INTEGER
  if (left <= 0) return
  const open = (client: EventStoreDBClient): Source<ResolvedEvent> =>
    client.readStream(stream, {
      direction: step < 0 ? BACKWARDS : FORWARDS,
      fromRevision: next !== undefined ? BigInt(next) : step < 0 ? END : FROM_START,
      maxCount: left,
      requiresLeader: connection.url.readsFromLeader,
    })
  for await (const items of resumed(connection, timing, open)) {
    for (const { event } of items) {
      if (!event) continue
      const stored = storedEvent(event)
      next = stored.revision + step
      left -= 1
      yield stored
      if (left === 0 || next < 0) return
    }
  }
}

/** The last revision and chain of each stream that exists. */
export async function readHeads(
  connection: Connection,
  timing: ReadTiming,
  streams: readonly string[],
): Promise<Map<string, StreamHead>> {
  const heads = new Map<string, StreamHead>()
  const left = [...new Set(streams)]
  const work = async () => {
    for (let stream = left.pop(); stream !== undefined; stream = left.pop()) {
      const last = readStream(connection, timing, stream, { direction: 'backwards', limit: 1 })
      for await (const { revision, metadata } of last) heads.set(stream, { revision, chain: metadata.chain })
    }
  }
  await Promise.all(Array.from({ length: Math.min(HEADS_AT_ONCE, left.length) }, work))
  return heads
}
