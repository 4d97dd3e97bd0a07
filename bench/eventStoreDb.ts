import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client'
import type { NewEvent } from '../src/domain/envelope.ts'
import { parseEventStoreDbUrl } from '../src/eventStore/eventStoreDbUrl.ts'

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
