import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import type { NewEvent } from '../src/domain/envelope.ts'
import { encode } from '../src/eventStore/codec.ts'
import { parseEventStoreDbUrl } from '../src/eventStore/eventStoreDbUrl.ts'
import { answerBody, type Load } from './http/load.ts'
import { quantile } from './support.ts'

export const RAW_APPEND = 'raw appendToStream'

/**
 * The limit beside the EventStoreDB engine: the client's own `appendToStream`, as its documentation shows it, on a server at
 * `EVENTSTORE_URL`. Appends to a stream that has `revision + 1` events.
 */
export function rawAppend(connectionString: string): {
  append(stream: string, events: readonly NewEvent[], revision: number): Promise<unknown>
  close(): Promise<void>
} {
  const client = EventStoreDBClient.connectionString(parseEventStoreDbUrl(connectionString).connectionString)
  return {
    append: (stream, events, revision) =>
      client.appendToStream(
        stream,
        events.map(({ id, type, data, metadata }) => jsonEvent({ id, type, data, metadata })),
        { expectedRevision: revision < 0 ? NO_STREAM : BigInt(revision) },
      ),
    close: () => client.dispose(),
  }
}

/** The same as a load beside that of HTTP: so many at once, each appending one event after the other to a stream of its own. */
export function startRawAppends(connectionString: string): {
  load(concurrency: number, seconds: number): Promise<Load>
  stop(): Promise<void>
} {
  const raw = rawAppend(connectionString)
  return {
    async load(concurrency, seconds) {
      const took: number[] = []
      const begun = performance.now()
      const end = begun + seconds * 1000
      await Promise.all(
        Array.from({ length: concurrency }, async (_, n) => {
          const stream = `session-bench_${randomUUID()}`
          for (let revision = -1; performance.now() < end; revision++) {
            const sent = performance.now()
            await raw.append(stream, [submission(stream, n)], revision)
            took.push(performance.now() - sent)
          }
        }),
      )
      return {
        perSecond: took.length / ((performance.now() - begun) / 1000),
        p50: quantile(took, 0.5),
        p99: quantile(took, 0.99),
        failed: 0,
      }
    },
    stop: () => raw.close(),
  }
}

/** An event as a submitted step leaves it. */
function submission(stream: string, n: number): NewEvent {
  const id = randomUUID()
  const metadata = {
    tenant: 'bench',
    actor: { id: 'ann', role: 'admin' },
    commandId: id,
    commandHash: '0'.repeat(64),
    $correlationId: id,
    $causationId: id,
    occurredAt: new Date().toISOString(),
  }
  const { data } = JSON.parse(answerBody(n))
  const event = { type: 'StepCompleted', data: { stepId: 'company', data } }
  return encode(stream, [{ id, event, metadata }], 'no_stream')[0]!
}
