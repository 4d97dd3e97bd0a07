import type { JsonObject } from './json.ts'

/** An event as a decider makes it: what happened, without who, when or where. */
export interface DomainEvent<Type extends string = string, Data = JsonObject> {
  readonly type: Type
  readonly data: Data
}

export interface Actor {
  readonly id: string
  /** The strongest role the actor held, or `system` for scheduled commands. */
  readonly role: string
}

/** What is known about an event beside its data. `$…` are EventStoreDB's own names. */
export interface EventMetadata {
  readonly tenant: string
  readonly actor: Actor
  /** The Idempotency-Key, or an id made for the request. */
  readonly commandId: string
  /** SHA-256 (hex) over method, path and body of the request. */
  readonly commandHash: string
  readonly $correlationId: string
  readonly $causationId: string
  /** When it happened (ISO 8601, UTC, milliseconds); an import is years old. */
  readonly occurredAt: string
  /** Version of the data's shape. */
  readonly v: number
  /** SHA-256 (hex) of the previous event's chain and this event as stored; see eventStore/chain.ts. */
  readonly chain: string
}

/** An event ready to be appended. `id` is a UUID: EventStoreDB accepts nothing else. */
export interface NewEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
}

/** An event as the log holds it. */
export interface StoredEvent extends NewEvent {
  readonly stream: string
  /** Place in the stream, from 0, without gaps. */
  readonly revision: number
  /** Place in the whole log: an opaque, totally ordered token of digits; see position.ts. */
  readonly position: string
  /** When it was written (ISO 8601, UTC). */
  readonly recordedAt: string
}

/** A stored event after decoding: current version of its shape, personal fields readable where the key still exists. */
export type RecordedEvent<Event extends DomainEvent<string, unknown> = DomainEvent> = Event &
  Omit<StoredEvent, 'type' | 'data'>
