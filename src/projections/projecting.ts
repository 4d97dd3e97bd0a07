import { setImmediate as turn } from 'node:timers/promises'
import type { RecordedEvent, StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { decode } from '../eventStore/codec.ts'
import { least, standingTogether } from './checkpoint.ts'
import { Pace } from './pace.ts'
import type { ProjectOptions } from './project.ts'
import { storeChanges } from './storeChanges.ts'
import { applyTo, prepareWorking, type Target, takes, type Working } from './working.ts'

const LINGER_MS = 20

/** One reading of the log for some targets: what is read is folded at once, and stored now and then while reading goes on. */
export class Projecting {
  readonly #options: ProjectOptions
  readonly #park: ReadonlyMap<string, string>
  readonly #pace: Pace
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
  #flushing: Promise<void> | undefined
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
    this.#pace = new Pace(options.linger ?? LINGER_MS)
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
    this.#pace.hurry()
    this.#schedule()
  }

  async #take(events: readonly StoredEvent[], through: Position, pageSize: number): Promise<void> {
    const { until } = this.#options
    const end = until !== undefined && comparePositions(through, until) > 0 ? until : through
    let own = end === through ? events : events.filter(({ position }) => comparePositions(position, end) <= 0)
    // Nobody waits for what is read up to an end: it is stored in large transactions, short pages or not.
    this.#live = until === undefined && events.length < pageSize
    while (own.length > this.#limit) {
      const part = own.slice(0, this.#limit)
      own = own.slice(this.#limit)
      await this.#apply(part, part.at(-1)!.position)
      await this.#flushAll()
    }
    await this.#apply(own, end)
    if (this.#limit !== Number.POSITIVE_INFINITY) await this.#flushAll()
    else await this.#relieve()
    // Pages that are there already follow each other without a look at the sockets: neither would the transaction under way go on, nor
    // the log come in.
    if (events.length >= pageSize) await turn()
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
    const wait = this.#pace.wait(this.#live)
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
    const stored = this.#pace.begin()
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
      stored()
      for (const { family, event, error } of parked) if (error !== null) onParked?.(family, event, error)
      onStored?.({ through: batch.through, recordedAt: batch.recordedAt, events: batch.events, live })
    } catch (error) {
      this.#failure = { error }
      this.#abort.abort()
    }
  }
}

/** The event as it is worked with; one that cannot be decoded as it is, with why among the faults. */
function decoded(event: StoredEvent, faults: Map<RecordedEvent, string>): RecordedEvent {
  try {
    return decode(event)
  } catch (error) {
    faults.set(event, (error as Error).message)
    return event
  }
}
