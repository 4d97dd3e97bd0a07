import type { EventMetadata, NewEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'

/**
 * An event that remembers the text of its metadata that its chain was made from, so that who stores it need not write it again. A
 * copy of it (`{ ...event }`) is a plain event without, so that text and metadata cannot come apart.
 */
export class EncodedEvent implements NewEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
  readonly #metadataText: string

  constructor(id: string, type: string, data: JsonObject, metadata: EventMetadata, metadataText: string) {
    this.id = id
    this.type = type
    this.data = data
    this.metadata = metadata
    this.#metadataText = metadataText
  }

  /** An event's metadata without the chain, as JSON. */
  static metadataText(event: NewEvent): string {
    if (#metadataText in event) return event.#metadataText
    const { chain: _, ...metadata } = event.metadata
    return JSON.stringify(metadata)
  }
}
