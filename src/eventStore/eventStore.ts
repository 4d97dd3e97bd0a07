import type { NewEvent, StoredEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'

/**
 * The log: every event of every tenant in one total order. Two engines implement this port (postgres.ts, eventStoreDb.ts)
 * and one contract suite holds both to it; nothing else in the code knows which one is there.
 */
export interface EventStore {
  /** Which engine this is, for logs and health. */
  readonly engine: 'postgres' | 'eventstoredb'

  /**
   * Appends to one stream, all or nothing. Answers when the events are durable. Appending again with the same event ids and the
   * same expected revision answers the first outcome. `events` is never empty. At most 1 MiB altogether.
   * Throws `EventStoreUnavailable` when the outcome could not be known within the deadline.
   */
  append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<AppendResult>

  /** Many appends to different streams, each with its own verdict, in the order given; the bulk path of imports. */
  appendMany(appends: readonly Append[]): Promise<AppendResult[]>

  /** One stream, in order of revision. A stream that does not exist yields nothing. */
  read(stream: string, options?: ReadOptions): AsyncIterable<StoredEvent>

  /** The heads of many streams at once; a stream that does not exist is absent. */
  heads(streams: readonly string[]): Promise<Map<string, StreamHead>>

  /** The whole log in order of position, in pages, up to what was there at the call. */
  readAll(options?: ReadAllOptions): AsyncIterable<StoredEvent[]>

  /**
   * The log from a position on, without end: first what is there, then `caughtUp`, then what comes, each event once and in order.
   * Reconnects by itself and never goes backwards. Ends when the signal aborts.
   */
  follow(options: FollowOptions): AsyncIterable<Followed>

  /** The position of the last event, START in an empty log. */
  head(): Promise<Position>

  /** Answers when the log can be read and written, throws `EventStoreUnavailable` otherwise. */
  ping(): Promise<void>

  close(): Promise<void>
}

/** The revision of the stream's last event, or that it must not exist yet. There is no ANY. */
export type ExpectedRevision = number | 'no_stream'

export interface Append {
  readonly stream: string
  readonly events: readonly NewEvent[]
  readonly expected: ExpectedRevision
}

export type AppendResult =
  | {
      readonly ok: true
      /** Revision and position of the last event of this append. */
      readonly revision: number
      readonly position: Position
      /** Known to have been written by this call. Without it, another writer may have been there first with the same ids. */
      readonly fresh?: true
    }
  | { readonly ok: false; readonly actual: ExpectedRevision }

export interface ReadOptions {
  /** Inclusive; forwards from 0 and backwards from the end unless told. */
  readonly from?: number
  readonly direction?: 'forwards' | 'backwards'
  readonly limit?: number
}

export interface EventFilter {
  /** Event types; all when absent. */
  readonly types?: readonly string[]
  /** Stream categories (`session`, `flow`, …); all when absent. */
  readonly categories?: readonly string[]
  /** One tenant's events only. */
  readonly tenant?: string
}

export interface ReadAllOptions extends EventFilter {
  /** Exclusive; START unless told. */
  readonly from?: Position
  readonly limit?: number
  /** Events a page, at most; 500 unless told. */
  readonly pageSize?: number
}

export interface FollowOptions extends EventFilter {
  /** Exclusive. */
  readonly from: Position
  readonly signal: AbortSignal
  readonly pageSize?: number
  /** Asked of each stream as its events come by: those of others may be left out, which spares making them. */
  readonly wanted?: (stream: string) => boolean
}

/**
 * Events come in batches. `through` is the position up to which the log has been seen, filtered events included, so that a
 * checkpoint can move past what the filter left out. `caughtUp` comes when the end of the log was reached, and again after
 * each time it fell behind.
 */
export type Followed =
  | { readonly kind: 'events'; readonly events: readonly StoredEvent[]; readonly through: Position }
  | { readonly kind: 'caughtUp'; readonly through: Position }

export interface StreamHead {
  readonly revision: number
  readonly chain: string
}

/** The log could not be reached, or an append's outcome stayed unknown. Safe to retry with the same ids. */
export class EventStoreUnavailable extends Error {
  override readonly name = 'EventStoreUnavailable'
}
