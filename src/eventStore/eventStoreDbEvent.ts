import type { AllStreamRecordedEvent, RecordedEvent } from '@eventstore/db-client'
import type { EventMetadata, StoredEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'
import { parseStreamName } from '../domain/stream.ts'

/** What an older server tells as the position of an event read from its stream: none. */
const NO_POSITION = 2n ** 64n - 1n

/** An event of the client as the port tells it. The position is the commit position: over gRPC, commit and prepare are one. */
export function storedEvent(event: RecordedEvent | AllStreamRecordedEvent): StoredEvent {
  const commit = event.position?.commit
  if (commit === undefined || commit === NO_POSITION) {
    throw new Error(
      'This EventStoreDB does not tell positions when a stream is read; version 22.6 or later does',
    )
  }
  return {
    id: event.id,
    type: event.type,
    stream: event.streamId,
    revision: Number(event.revision),
    position: String(commit),
    data: event.data as JsonObject,
    // An event that something else wrote into our stream is shown as it is: an audit must see it.
    metadata: (event.metadata ?? {}) as unknown as EventMetadata,
    recordedAt: event.created.toISOString(),
  }
}

/** False for the server's own events, and for what other applications keep in the same database. */
export function isOurs(event: RecordedEvent | AllStreamRecordedEvent): boolean {
  if (event.streamId.startsWith('$') || !event.isJson) return false
  const metadata = event.metadata as Partial<EventMetadata> | undefined
  return typeof metadata?.tenant === 'string' && parseStreamName(event.streamId) !== undefined
}
