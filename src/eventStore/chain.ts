import { hash } from 'node:crypto'
import type { EventMetadata, NewEvent } from '../domain/envelope.ts'
import { canonicalJson } from './canonicalJson.ts'

/** What of a stored event the chain covers: all but its position and the time it was written, which the log gives. */
export interface Chained extends Omit<NewEvent, 'metadata'> {
  readonly stream: string
  readonly revision: number
  readonly metadata: Omit<EventMetadata, 'chain'> & { readonly chain?: string }
}

/**
 * The event's link: SHA-256 (hex) over the previous event's link (nothing before a stream's first) followed by the canonical JSON
 * (RFC 8785) of the event's id, type, stream, revision, data and metadata without `chain`. Changing, removing, reordering
 * or inserting a stored event breaks the link of every later one.
 */
export function chainOf(previous: string | undefined, event: Chained): string {
  const { chain: _, ...metadata } = event.metadata
  return link(previous, event, canonicalJson(event.data), canonicalJson(metadata))
}

/** As `chainOf`, for who has the canonical texts already. */
export function link(
  previous: string | undefined,
  event: Pick<Chained, 'id' | 'type' | 'stream' | 'revision'>,
  data: string,
  metadata: string,
): string {
  const { id, type, stream, revision } = event
  if (stream !== lastStream) {
    quotedStream = JSON.stringify(stream)
    lastStream = stream
  }
  // The members in sorted order: this is the canonical JSON of the whole.
  const text = `{"data":${data},"id":${JSON.stringify(id)},"metadata":${metadata},"revision":${revision},"stream":${quotedStream},"type":${JSON.stringify(type)}}`
  return hash('sha256', previous === undefined ? text : previous + text, 'hex')
}

/** Events that are linked one after the other are mostly of one stream. */
let lastStream: string | undefined
let quotedStream = ''
