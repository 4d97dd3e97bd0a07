import type pg from 'pg'
import type { RecordedEvent, StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { least, standingTogether } from './checkpoint.ts'
import type { Lease } from './lease.ts'
import { RefusedData, storeChanges } from './storeChanges.ts'
import { applyTo, prepareWorking, type Target, takes, type Working } from './working.ts'

export interface ProjectOptions {
  readonly store: EventStore
  /** Two connections prepared by `prepareClient`: one for transactions, one to look rows up meanwhile. */
  readonly writer: pg.ClientBase
  readonly reader: pg.ClientBase
  /** What gives the right to write the targets, all of one holder. */
  readonly leases: readonly Lease[]
  readonly signal: AbortSignal
  /** Read no further than this, inclusive, and answer when everything up to there is stored. */
  readonly until?: Position
  /** Read only events of these types. */
  readonly types?: readonly string[]
  /** Read only streams of these categories. */
  readonly categories?: readonly string[]
  /** Rows of each projection kept in memory. */
  readonly cacheRows?: number
  /** Events from the log at a time. */
  readonly pageSize?: number
  /** Changed rows that are written in one transaction while there is much to catch up on. */
  readonly bulkRows?: number
  /** Milliseconds from one transaction's start to the next while live, unless somebody waits. */
  readonly linger?: number
  readonly onStored?: (stored: Stored) => void
  readonly onParked?: (family: string, event: RecordedEvent, error: string) => void
}

export interface Stored {
  readonly through: Position
  readonly recordedAt: string | null
  /** Events since the last time. */
  readonly events: number
  /** Whether the end of the log was reached. */
  readonly live: boolean
}

/**
 * Reads the log once for all targets, folds, and stores rows and checkpoints, until `until` or the signal. What a fold throws on is
 * parked; what the database refuses is sought by halves, from the checkpoint on, until the one event is found and parked.
 * Answers the targets as they stand then; partitions of one family that stood at different positions are targets of their own.
 *
 * @throws Superseded when somebody else writes these tables; other errors are the database's or the log's
 */
export async function project(
  options: ProjectOptions,
  targets: readonly Target[],
  wire: (hurry: () => void) => void = () => {},
): Promise<Target[]> {
  let at = targets
  let limit = Number.POSITIVE_INFINITY
  const park = new Map<string, string>()
  for (;;) {
    const projecting = new Projecting(options, at, limit, park)
    wire(() => projecting.hurry())
    try {
      return await projecting.run()
    } catch (error) {
      if (!(error instanceof RefusedData)) throw error
      if (error.events <= 1) park.set(`${error.family}@${error.first}`, error.message)
      limit = Math.max(1, Math.floor(error.events / 2))
      at = projecting.targets
    }
  }
}

class Projecting {
  readonly #options: ProjectOptions
  readonly #park: ReadonlyMap<string, string>
  readonly #abort = new AbortController()
  #from: readonly Target[]
  #working: Working[] = []
  #limit: number
  #through: Position
  #stored: Position
  #recordedAt: string | null = null
  #first: Position | undefined
  #events = 0
  #live = false
  #applying = false
  #hurried = false
  #flushing: Promise<void> | undefined
  #flushedAt = performance.now()
  #rest = 0
  #timer: NodeJS.Timeout | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(
    options: ProjectOptions,
    targets: readonly Target[],
    limit: number,
    park: ReadonlyMap<string, string>,
  ) {
    this.#options = options
    this.#from = targets.flatMap(({ family, generation }) =>
      standingTogether(generation).map((part) => ({ family, generation: part })),
    )
    this.#limit = limit
    this.#park = park
    this.#through = least(this.#from.map(({ generation }) => generation.position))
    this.#stored = this.#through
  }

  /** The targets as stored. */
  get targets(): Target[] {
    return this.#working.map(({ family, generation }) => ({ family, generation }))
  }

  async run(): Promise<Target[]> {
    const { store, signal, until, types, categories, pageSize = 1000 } = this.#options
    const { writer, reader, cacheRows = 30_000 } = this.#options
    for (const target of this.#from)
      this.#working.push(await prepareWorking(target, writer, reader, cacheRows))
    const following = AbortSignal.any([signal, this.#abort.signal])
    if (until === undefined || comparePositions(this.#through, until) < 0) {
      for await (const followed of store.follow({
        from: this.#through,
        signal: following,
        pageSize,
        ...(types && { types }),
        ...(categories && { categories }),
      })) {
        if (this.#failure) break
        if (followed.kind === 'events') await this.#take(followed.events, followed.through, pageSize)
        else await this.#caughtUp(followed.through)
        if (until !== undefined && comparePositions(this.#through, until) >= 0) break
      }
    }
    clearTimeout(this.#timer)
    while (!this.#failure && (this.#flushing || this.#unstored)) await (this.#flushing ?? this.#flush())
    await this.#flushing
    if (this.#failure) throw this.#failure.error
    return this.targets
  }

  /** Somebody waits for what is not stored yet. */
  hurry(): void {
    this.#hurried = true
    this.#schedule()
  }

  async #take(events: readonly StoredEvent[], through: Position, pageSize: number): Promise<void> {
    const { until } = this.#options
    const end = until !== undefined && comparePositions(through, until) > 0 ? until : through
    let own = end === through ? events : events.filter(({ position }) => comparePositions(position, end) <= 0)
    this.#live = events.length < pageSize
    while (own.length > this.#limit) {
      const part = own.slice(0, this.#limit)
      own = own.slice(this.#limit)
      await this.#apply(part, part.at(-1)!.position)
      await this.#flushAll()
    }
    await this.#apply(own, end)
    if (this.#limit !== Number.POSITIVE_INFINITY) await this.#flushAll()
    else await this.#relieve()
  }

  async #caughtUp(through: Position): Promise<void> {
    this.#live = true
    const { until } = this.#options
    if (
      comparePositions(through, this.#through) > 0 &&
      (until === undefined || comparePositions(through, until) <= 0)
    )
      this.#through = through
    this.hurry()
  }

  async #apply(events: readonly StoredEvent[], through: Position): Promise<void> {
    this.#applying = true
    try {
      const faults = new Map<RecordedEvent, string>()
      const recorded: RecordedEvent[] = []
      for (const event of events)
        if (this.#working.some((working) => takes(working, event))) recorded.push(decoded(event, faults))
      for (const working of this.#working) await applyTo(working, recorded, this.#through, faults, this.#park)
    } finally {
      this.#applying = false
    }
    if (events.length > 0) {
      this.#first ??= events[0]!.position
      this.#recordedAt = events.at(-1)!.recordedAt
      this.#events += events.length
    }
    this.#through = through
  }

  /** Keeps what gathers within bounds, and sees that it is stored soon. */
  async #relieve(): Promise<void> {
    const { bulkRows = 30_000 } = this.#options
    const size = this.#working.reduce((sum, { workspace }) => sum + workspace.size, 0)
    if (size >= bulkRows) {
      await this.#flushing
      if (!this.#failure && !this.#flushing) this.#start()
    } else this.#schedule()
  }

  get #unstored(): boolean {
    return this.#through !== this.#stored
  }

  #schedule(): void {
    if (this.#flushing || this.#applying || !this.#unstored || this.#failure) return
    const { linger = 20 } = this.#options
    const pause = this.#hurried ? 0 : this.#live ? Math.max(linger, this.#rest) : CATCH_UP_MS
    const wait = this.#flushedAt + pause - performance.now()
    clearTimeout(this.#timer)
    if (wait <= 0) this.#start()
    else this.#timer = setTimeout(() => this.#schedule(), wait)
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
      this.#schedule()
    })
  }

  async #flushAll(): Promise<void> {
    await this.#flushing
    while (!this.#failure && this.#unstored) await this.#flush()
    if (this.#failure) return
    this.#limit = this.#limit < 10_000 ? this.#limit * 2 : Number.POSITIVE_INFINITY
  }

  /** Stores what was folded. Failures end the reading. */
  async #flush(): Promise<void> {
    const { writer, leases, onStored, onParked } = this.#options
    this.#flushedAt = performance.now()
    this.#hurried = false
    const batch = {
      through: this.#through,
      first: this.#first,
      recordedAt: this.#recordedAt,
      events: this.#events,
    }
    const live = this.#live
    this.#events = 0
    this.#first = undefined
    try {
      const parked = await storeChanges(writer, leases, this.#working, batch)
      this.#stored = batch.through
      this.#rest = Math.min(REST * (performance.now() - this.#flushedAt), MOST_REST_MS)
      for (const { family, event, error } of parked) if (error !== null) onParked?.(family, event, error)
      onStored?.({ through: batch.through, recordedAt: batch.recordedAt, events: batch.events, live })
    } catch (error) {
      this.#failure = { error }
      this.#abort.abort()
    }
  }
}

/**
 * From one live transaction's start to the next it takes at least so many times as long as the last one took: where the database has
 * much to do, more is gathered for each, and rows that change often are written less often. Not past what a reader should have to wait.
 */
const REST = 2
const MOST_REST_MS = 40

/** While there is much to catch up on, what was folded is stored at least this often. */
const CATCH_UP_MS = 1000

/** The event as it is worked with; one that cannot be decoded as it is, with why among the faults. */
function decoded(event: StoredEvent, faults: Map<RecordedEvent, string>): RecordedEvent {
  try {
    return decode(event)
  } catch (error) {
    faults.set(event, (error as Error).message)
    return event
  }
}
