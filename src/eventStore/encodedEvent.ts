import type { EventMetadata, NewEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'

/** Of an event, as JSON: its data, and its metadata without the chain. */
export interface EventTexts {
  /** Undefined where it is not known, and to be written when it is asked for. */
  readonly data: string | undefined
  readonly metadata: string
}

/**
 * An event that remembers texts that its chain was made from, so that who stores it need not write them again. A copy of it
 * (`{ ...event }`) is a plain event without, so that texts and values cannot come apart.
 */
export class EncodedEvent implements NewEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
  readonly #texts: EventTexts

  constructor(id: string, type: string, data: JsonObject, metadata: EventMetadata, texts: EventTexts) {
    this.id = id
    this.type = type
    this.data = data
    this.metadata = metadata
    this.#texts = texts
  }

  /** Whether `encode` made it, chain and all. */
  static is(event: NewEvent): event is EncodedEvent {
    return #texts in event
  }

  static dataText(event: NewEvent): string {
    return (#texts in event ? event.#texts.data : undefined) ?? JSON.stringify(event.data)
  }

  static metadataText(event: NewEvent): string {
    if (#texts in event) return event.#texts.metadata
    const { chain: _, ...metadata } = event.metadata
    return JSON.stringify(metadata)
  }
}
