import type { AllStreamResolvedEvent } from '@eventstore/db-client'
import type { BaseLogger } from 'pino'
import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { matcher } from './eventFilter.ts'
import type { Followed, FollowOptions } from './eventStore.ts'
import { positionFrom, type WholeLog } from './eventStoreDbAll.ts'
import type { GuardedClient } from './eventStoreDbClient.ts'
import type { Connection } from './eventStoreDbConnection.ts'
import { messageOf, pause, Silence } from './eventStoreDbErrors.ts'
import { isOurs, storedEvent } from './eventStoreDbEvent.ts'
import { type Delivery, Inbox } from './eventStoreDbInbox.ts'

export interface FollowTiming {
  /** Silence after which a subscription is asked whether it is still there. */
  readonly heartbeatMs: number
}

const PAGE = 500
/** Events that a follower holds ahead of its consumer. Past it the subscription is ended here, before the server calls it too slow. */
const AHEAD = 4_096
const LONGEST_WAIT_MS = 2_000

/**
 * Follows the log over one subscription after another: an error, an end and silence are all met by subscribing again after the last event
 * seen. The subscription is not filtered: every event of the log moves `through`, and a silent subscription shows by the log's end.
 */
export class Follower {
  readonly #connection: Connection
  readonly #log: WholeLog
  readonly #timing: FollowTiming
  readonly #logger: BaseLogger | undefined
  readonly #matches: ReturnType<typeof matcher>
  readonly #pageSize: number
  readonly #signal: AbortSignal
  /** Last event seen, the server's own included; and last of ours, which is what is told. */
  #seen: Position
  #through: Position
  /** Matching events not told yet: full pages while it catches up, what there is once it has. */
  #page: StoredEvent[] = []
  #told: Position
  #caughtUp = false
  #failures = 0

  constructor(
    parts: { connection: Connection; log: WholeLog; logger: BaseLogger | undefined },
    timing: FollowTiming,
    options: FollowOptions,
  ) {
    this.#connection = parts.connection
    this.#log = parts.log
    this.#logger = parts.logger
    this.#timing = timing
    this.#matches = matcher(options)
    this.#pageSize = options.pageSize ?? PAGE
    this.#signal = AbortSignal.any([options.signal, parts.connection.closing])
    this.#seen = options.from
    this.#through = options.from
    this.#told = options.from
  }

  async *follow(): AsyncGenerator<Followed> {
    while (!this.#signal.aborted) {
      const { client } = this.#connection
      let inbox: Inbox<AllStreamResolvedEvent> | undefined
      let stop: (() => void) | undefined
      try {
        const source = client.api.subscribeToAll({ fromPosition: positionFrom(this.#seen) })
        const opened = new Inbox<AllStreamResolvedEvent>(source, { limit: AHEAD, kind: 'subscription' })
        inbox = opened
        stop = () => opened.cancel()
        this.#signal.addEventListener('abort', stop)
        yield* this.#deliver(inbox, client)
        this.#logger?.debug({ at: this.#seen }, 'EventStoreDB ended the subscription')
      } catch (error) {
        if (this.#signal.aborted) return
        this.#logger?.warn({ err: error, at: this.#seen }, `Subscription lost: ${messageOf(error)}`)
        this.#connection.failed(client, error)
      } finally {
        if (stop) this.#signal.removeEventListener('abort', stop)
        inbox?.cancel()
      }
      await pause(this.#wait(), this.#signal)
    }
  }

  /** What one subscription brings, until it ends. */
  async *#deliver(inbox: Inbox<AllStreamResolvedEvent>, client: GuardedClient): AsyncGenerator<Followed> {
    this.#caughtUp = false
    let behind = false
    for (;;) {
      const delivery = await this.#take(inbox, client)
      if (this.#signal.aborted || !delivery) return
      if (delivery.items.length > 0) this.#failures = 0
      yield* this.#fullPages(delivery.items)
      behind ||= delivery.items.length > this.#pageSize
      if (delivery.caughtUp || this.#caughtUp) yield* this.#rest()
      // A follower that fell behind is told when it is at the end again; one that keeps up is not told each time.
      const again = this.#caughtUp && behind && inbox.empty && (await this.#atEnd())
      if (this.#signal.aborted) return
      if (!delivery.caughtUp && !again) continue
      this.#caughtUp = true
      behind = false
      yield { kind: 'caughtUp', through: this.#through }
    }
  }

  /** The next delivery, with a look at the log's end whenever it is silent. */
  async #take(
    inbox: Inbox<AllStreamResolvedEvent>,
    client: GuardedClient,
  ): Promise<Delivery<AllStreamResolvedEvent> | undefined> {
    for (;;) {
      try {
        return await inbox.take(this.#timing.heartbeatMs)
      } catch (error) {
        if (!(error instanceof Silence)) throw error
        const atEnd = await this.#atEnd()
        if (this.#connection.client !== client) throw new Error('The client was replaced')
        // Something is there that did not come: on its way, or never.
        if (!atEnd) return await inbox.take(this.#timing.heartbeatMs)
        // Servers before 23.10 never say that a subscription caught up: the log's end says it.
        if (!this.#caughtUp) return { items: [], caughtUp: true }
      }
    }
  }

  async #atEnd(): Promise<boolean> {
    const end = await this.#log.end()
    const ahead = comparePositions(end, this.#seen)
    if (ahead < 0) {
      this.#logger?.error({ end, seen: this.#seen }, 'The log ends before what was seen of it: set back?')
    }
    return ahead <= 0
  }

  *#fullPages(items: readonly AllStreamResolvedEvent[]): Generator<Followed> {
    for (const { event } of items) {
      const position = event && String(event.position.commit)
      // A log that goes backwards is not followed there: what is told never is.
      if (!position || comparePositions(position, this.#seen) <= 0) continue
      this.#seen = position
      if (!isOurs(event)) continue
      this.#through = position
      const stored = storedEvent(event)
      if (this.#matches(stored)) this.#page.push(stored)
      if (this.#page.length >= this.#pageSize) yield* this.#rest()
    }
  }

  *#rest(): Generator<Followed> {
    if (this.#told === this.#through) return
    const events = this.#page
    this.#page = []
    this.#told = this.#through
    yield { kind: 'events', events, through: this.#through }
  }

  /** Exponential with jitter, from 20 ms; anything that came resets it. */
  #wait(): number {
    const wait = Math.min(LONGEST_WAIT_MS, 20 * 2 ** this.#failures)
    this.#failures += 1
    return wait * (0.5 + Math.random() / 2)
  }
}
