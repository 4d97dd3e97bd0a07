import { randomUUID } from 'node:crypto'
import type { NewEvent, StoredEvent } from '../../src/domain/envelope.ts'
import type { JsonObject } from '../../src/domain/json.ts'
import { streamName } from '../../src/domain/stream.ts'
import { encode, type StreamPlace } from '../../src/eventStore/codec.ts'
import type { EventStore, Followed } from '../../src/eventStore/eventStore.ts'
import { wholeMetadata } from '../../src/eventStore/leanMetadata.ts'

/** A tenant of its own for each test: the log may hold anything else. */
export const newTenant = (): string => `tenant-${randomUUID()}`

export const newStream = (tenant = newTenant(), category = 'session'): string =>
  streamName(category, tenant, randomUUID())

/** What an event is, where only that matters. */
export const signal = (n: number): JsonObject => ({ signal: 'counted', value: n })

/** Encoded events, one for each data given. */
export function events(
  stream: string,
  data: readonly JsonObject[],
  after: StreamPlace = 'no_stream',
  type = 'SignalTracked',
): NewEvent[] {
  return encode(
    stream,
    data.map((item) => ({
      id: randomUUID(),
      event: { type, data: item },
      metadata: {
        tenant: 'any',
        actor: { id: 'ada', role: 'participant' },
        commandId: randomUUID(),
        commandHash: '0'.repeat(64),
        $correlationId: randomUUID(),
        $causationId: randomUUID(),
        occurredAt: '2026-11-20T09:00:00.000Z',
      },
    })),
    after,
  )
}

/** `count` signals that follow on `after`. */
export function signals(stream: string, count: number, after: StreamPlace = 'no_stream'): NewEvent[] {
  return events(
    stream,
    Array.from({ length: count }, (_, n) => signal(n)),
    after,
  )
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function readAllOf(
  store: EventStore,
  options: Parameters<EventStore['readAll']>[0],
): Promise<StoredEvent[]> {
  return (await collect(store.readAll(options))).flat()
}

export const revisions = (stored: readonly StoredEvent[]): number[] => stored.map(({ revision }) => revision)
export const ids = (stored: readonly { readonly id: string }[]): string[] => stored.map(({ id }) => id)

/** A follower that writes down what it was given. */
export interface Follower {
  readonly seen: Followed[]
  events(): StoredEvent[]
  /** Answers once the condition holds; fails after 20 s. */
  until(condition: (follower: Follower) => boolean): Promise<void>
  stop(): Promise<void>
}

/** With all its members its own: those of who follows may make some only when they are asked for. */
function whole({
  id,
  type,
  stream,
  revision,
  position,
  data,
  metadata,
  recordedAt,
}: StoredEvent): StoredEvent {
  return { id, type, stream, revision, position, data, metadata: wholeMetadata(metadata), recordedAt }
}

export function followerOf(
  store: EventStore,
  options: Omit<Parameters<EventStore['follow']>[0], 'signal'>,
  /** What it does with each batch before it takes the next. */
  work: () => Promise<void> | void = () => {},
): Follower {
  const abort = new AbortController()
  const seen: Followed[] = []
  let look = () => {}
  let fault: unknown
  const ended = (async () => {
    for await (const batch of store.follow({ ...options, signal: abort.signal })) {
      seen.push(batch)
      look()
      await work()
    }
  })().catch((error: unknown) => {
    fault = error
    look()
  })
  const follower: Follower = {
    seen,
    events: () => seen.flatMap((batch) => (batch.kind === 'events' ? batch.events.map(whole) : [])),
    until: (condition) =>
      new Promise((done, fail) => {
        const late = setTimeout(
          () => fail(new Error(`The follower saw ${follower.events().length} events`)),
          20_000,
        )
        look = () => {
          if (fault) fail(fault)
          else if (!condition(follower)) return
          else done()
          clearTimeout(late)
          look = () => {}
        }
        look()
      }),
    async stop() {
      abort.abort()
      await ended
      if (fault) throw fault
    },
  }
  return follower
}

export const isCaughtUp = ({ seen }: Follower): boolean => seen.at(-1)?.kind === 'caughtUp'
