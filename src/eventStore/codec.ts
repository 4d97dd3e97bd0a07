import type { DomainEvent, EventMetadata, NewEvent, RecordedEvent, StoredEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'
import { canonicalJson } from './canonicalJson.ts'
import { catalogue, dataValidator } from './catalogue.ts'
import { link } from './chain.ts'
import { EncodedEvent } from './encodedEvent.ts'
import { wholeMetadata } from './leanMetadata.ts'
import { metadataText } from './metadataText.ts'
import { upcast, upcasters } from './upcasters.ts'

export interface EventToEncode {
  readonly id: string
  readonly event: DomainEvent<string, unknown>
  readonly metadata: Omit<EventMetadata, 'v' | 'chain'>
  /** The canonical JSON of the event's data, from who has it already: then the data is stored in this form. */
  readonly dataText?: string
}

/** The last event already in the stream. */
export type StreamPlace = { readonly revision: number; readonly chain: string } | 'no_stream'

/** The event does not fit its own schema or has no JSON form: whoever made it is wrong, and nothing is written. */
export class InvalidEvent extends Error {
  override readonly name = 'InvalidEvent'
}

/**
 * Events as they will be stored: data checked against the catalogue, version and chain set. Pure.
 *
 * Personal fields (`personalFields` of the catalogue) are to be encrypted between the check and the chain, so that the
 * schema sees what was said and the chain covers what is stored; the person's key then comes in with the event, as everything
 * that is decided elsewhere does. `decode` is its mirror: decrypt first, upcast after.
 *
 * @throws InvalidEvent
 */
export function encode(stream: string, events: readonly EventToEncode[], after: StreamPlace): NewEvent[] {
  let revision = after === 'no_stream' ? -1 : after.revision
  let chain = after === 'no_stream' ? undefined : after.chain
  return events.map(({ id, event, metadata: given, dataText }) => {
    revision += 1
    const { type, data } = event
    const covered = {
      $causationId: given.$causationId,
      $correlationId: given.$correlationId,
      actor: { id: given.actor.id, role: given.actor.role },
      commandHash: given.commandHash,
      commandId: given.commandId,
      occurredAt: given.occurredAt,
      tenant: given.tenant,
      v: check(event),
    }
    const metadata = textOf(type, metadataText, covered)
    const canonicalData = dataText ?? textOf(type, canonicalJson, data)
    chain = link(chain, { id, type, stream, revision }, canonicalData, metadata)
    const texts = { data: dataText, metadata }
    return new EncodedEvent(id, type, data as JsonObject, { ...covered, chain }, texts)
  })
}

/** An event as it is worked with: in the current version of its shape. Unknown types and newer versions pass unchanged. */
export function decode(event: StoredEvent): RecordedEvent {
  const { v } = event.metadata
  const current = catalogue.get(event.type)?.v ?? v
  if (v >= current || !upcasters[event.type]) return event
  const { id, type, stream, revision, position, recordedAt } = event
  const data = upcast(type, v, event.data)
  const metadata = { ...wholeMetadata(event.metadata), v: current }
  return { id, type, stream, revision, position, data, metadata, recordedAt }
}

/** Answers the version of the shape. */
function check({ type, data }: DomainEvent<string, unknown>): number {
  const validator = dataValidator(type)
  if (!validator) throw new InvalidEvent(`${type} is not in the catalogue of events`)
  if (!validator.Check(data)) {
    const faults = validator.Errors(data).map((fault) => `${fault.instancePath || '/'} ${fault.message}`)
    throw new InvalidEvent(`${type} does not fit its schema: ${faults.slice(0, 5).join('; ')}`)
  }
  return catalogue.get(type)!.v
}

function textOf<T>(type: string, write: (value: T) => string, value: T): string {
  try {
    return write(value)
  } catch (error) {
    const why = error instanceof RangeError ? 'it is nested too deeply' : (error as Error).message
    throw new InvalidEvent(`${type} cannot be written as JSON: ${why}`)
  }
}
