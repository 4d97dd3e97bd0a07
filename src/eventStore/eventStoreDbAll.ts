import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  END,
  type EventStoreDBClient,
  FORWARDS,
  START as FROM_START,
} from '@eventstore/db-client'
import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position, START } from '../domain/position.ts'
import { matcher } from './eventFilter.ts'
import type { ReadAllOptions } from './eventStore.ts'
import type { Connection } from './eventStoreDbConnection.ts'
import { isOurs, storedEvent } from './eventStoreDbEvent.ts'
import type { Source } from './eventStoreDbInbox.ts'
import { type ReadTiming, resumed } from './eventStoreDbRead.ts'

const PAGE = 500
/** The head is mostly among the last few events. */
const LAST_FEW = 16
/** Reads that may end before the end of the log without a new event, before that end is believed. */
const EARLY_ENDS = 3

/** The whole log: `$all`, without the server's own events and what other applications wrote. */
export class WholeLog {
  readonly #connection: Connection
  readonly #timing: ReadTiming
  /** The last position of ours that is known: looking for the head goes no further back. */
  #known: Position = START

  constructor(connection: Connection, timing: ReadTiming) {
    this.#connection = connection
    this.#timing = timing
  }

  /** The client passes over filters of `readAll` without a word, so what comes is filtered here. */
  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<StoredEvent[]> {
    const { from = START, pageSize = PAGE } = options
    const matches = matcher(options)
    let left = options.limit ?? Number.MAX_SAFE_INTEGER
    if (left <= 0) return
    let page: StoredEvent[] = []
    for await (const events of this.#between(from, await this.end())) {
      for (const event of events) {
        if (!matches(event)) continue
        page.push(event)
        left -= 1
        if (page.length < pageSize && left > 0) continue
        yield page
        if (left === 0) return
        page = []
      }
    }
    if (page.length > 0) yield page
  }

  /** The position of the last event of all, the server's own included. */
  async end(): Promise<Position> {
    for await (const [last] of this.#backwards(1)) {
      if (last?.event) return String(last.event.position.commit)
    }
    return START
  }

  /** The position of our last event. */
  async head(): Promise<Position> {
    for (const maxCount of [LAST_FEW, Number.MAX_SAFE_INTEGER]) {
      for await (const items of this.#backwards(maxCount)) {
        for (const { event } of items) {
          if (!event) continue
          const position = String(event.position.commit)
          const past = comparePositions(position, this.#known)
          // Past it without meeting it: the log was set back, to a backup say, and what was known is not there.
          if (past < 0) this.#known = START
          if (past !== 0 && !isOurs(event)) continue
          this.#known = position
          return position
        }
      }
    }
    return START
  }

  /** Our events after a position up to another, as they come. */
  async *#between(from: Position, to: Position): AsyncGenerator<StoredEvent[]> {
    let at = from
    const open = (client: EventStoreDBClient): Source<AllStreamResolvedEvent> =>
      client.readAll({
        direction: FORWARDS,
        fromPosition: positionFrom(at),
        requiresLeader: this.#connection.url.readsFromLeader,
      })
    for (let early = 0; comparePositions(at, to) < 0 && early < EARLY_ENDS; early += 1) {
      for await (const items of resumed(this.#connection, this.#timing, open)) {
        const events: StoredEvent[] = []
        for (const { event } of items) {
          const position = event && String(event.position.commit)
          // The start is inclusive, and what was appended since the call is not asked for.
          if (!position || comparePositions(position, at) <= 0 || comparePositions(position, to) > 0) continue
          at = position
          early = 0
          if (isOurs(event)) events.push(storedEvent(event))
        }
        yield events
        if (comparePositions(at, to) >= 0) return
      }
    }
  }

  /** The last events of all, the last first. */
  #backwards(maxCount: number): AsyncGenerator<AllStreamResolvedEvent[]> {
    return resumed(this.#connection, this.#timing, (client) =>
      client.readAll({
        direction: BACKWARDS,
        fromPosition: END,
        maxCount,
        requiresLeader: this.#connection.url.readsFromLeader,
      }),
    )
  }
}

/** Where the client is to start; it has a word of its own for the beginning. */
export function positionFrom(position: Position) {
  if (position === START) return FROM_START
  return { commit: BigInt(position), prepare: BigInt(position) }
}
