import { randomUUID } from 'node:crypto'
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'
import type { NewEvent } from '../src/domain/envelope.ts'
import { encode } from '../src/eventStore/codec.ts'
import type { EventStore } from '../src/eventStore/eventStore.ts'
import { createEventStoreDbEventStore } from '../src/eventStore/eventStoreDb.ts'
import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { RAW_APPEND, rawAppend } from './eventStoreDb.ts'
import { alternate, type BenchOptions, type BenchRow, benchPostgres, compared } from './support.ts'

const { EVENTSTORE_URL } = process.env

/** Appends to a stream that has `revision + 1` events. */
type Append = (stream: string, events: readonly NewEvent[], revision: number) => Promise<unknown>

const EMMETT = 'Emmett'
const BY_HAND = 'grouped INSERT by hand'

/**
 * The log alone: one and a hundred events a call, 1 to 256 writers, each waiting for its answer before it goes on. Streams get
 * their first event here and grow to twenty, as sessions do. With EVENTSTORE_URL the log is there, and beside it the client of
 * that server as it is.
 */
export function run(options: BenchOptions): Promise<{ rows: BenchRow[] }> {
  return EVENTSTORE_URL ? onEventStoreDb(EVENTSTORE_URL, options) : onPostgres(options)
}

async function onEventStoreDb(url: string, { quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const store = await createEventStoreDbEventStore({ connectionString: url })
  const raw = rawAppend(url)
  const rows: BenchRow[] = []
  try {
    for (const { writers, size, name } of sizes(quick)) {
      // One event is one call here, and nothing groups them: fewer take it as long.
      const calls = quick ? 200 : size === 1 ? 3000 : 300
      const found = await alternate(quick ? 1 : 5, {
        ours: () => measure(appendTo(store), writers, size, calls),
        raw: () => measure(raw.append, writers, size, calls),
      })
      log(`${name}: ours ${Math.round(found.ours)}, raw ${Math.round(found.raw)}`)
      const row = { name: `EventStoreDB: ${name}`, value: found.ours, unit: 'events/s' }
      rows.push(compared({ ...row, target: { min: 0.9 } }, { name: RAW_APPEND, value: found.raw }))
    }
  } finally {
    await Promise.all([store.close(), raw.close()])
  }
  return { rows }
}

const sizes = (quick: boolean) =>
  [1, 100].flatMap((size) =>
    (quick ? [16] : [1, 16, 64, 256]).map((writers) => ({
      writers,
      size,
      name: `${writers} ${writers === 1 ? 'writer' : 'writers'} × ${size} ${size === 1 ? 'event' : 'events'}`,
    })),
  )

const appendTo =
  (store: EventStore): Append =>
  (stream, events, revision) =>
    store.append(stream, events, revision < 0 ? 'no_stream' : revision)

async function onPostgres({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const postgres = await benchPostgres()
  const store = await createPostgresEventStore({ connectionString: await postgres.database() })
  const byHand = await groupedInserts(await postgres.database())
  const emmett = emmettStore(await postgres.database())
  const rows: BenchRow[] = []
  try {
    for (const { writers, size, name } of sizes(quick)) {
      const calls = quick ? 200 : size === 1 ? (writers === 1 ? 1000 : 8000) : writers === 1 ? 100 : 400
      const rate =
        (append: Append, share = 1) =>
        () =>
          measure(append, writers, size, calls * share)
      const found = await alternate(quick ? 1 : 5, {
        ours: rate(appendTo(store)),
        byHand: rate(byHand.append),
        // Slower by far: a fifth of the calls takes it as long.
        emmett: rate(emmett.append, 0.2),
      })
      log(
        `${name}: ${Object.entries(found)
          .map(([who, value]) => `${who} ${Math.round(value)}`)
          .join(', ')}`,
      )
      const row = (beside: string) => ({
        name: `${name}, beside ${beside}`,
        value: found.ours,
        unit: 'events/s',
      })
      rows.push(compared({ ...row(BY_HAND), target: { min: 0.5 } }, { name: BY_HAND, value: found.byHand }))
      const least = writers === 64 && size === 1 ? { target: { min: 8 } } : {}
      rows.push(compared({ ...row(EMMETT), ...least }, { name: EMMETT, value: found.emmett }))
    }
  } finally {
    await Promise.all([store.close(), byHand.close(), emmett.close()])
    await postgres.stop()
  }
  return { rows }
}

/** Events a second. The events are made beforehand: what is measured is the log, not the codec. */
async function measure(append: Append, writers: number, size: number, calls: number): Promise<number> {
  const callsOfStream = Math.max(1, Math.floor(STREAM_EVENTS / size))
  const work = Array.from({ length: Math.max(writers, Math.round(calls / callsOfStream)) }, () => {
    const stream = `session-bench_${randomUUID()}`
    const events = makeEvents(stream, size * callsOfStream)
    return {
      stream,
      calls: Array.from({ length: callsOfStream }, (_, n) => events.slice(n * size, (n + 1) * size)),
    }
  })
  const total = work.length * callsOfStream * size
  const started = performance.now()
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let next = work.pop(); next; next = work.pop()) {
        let revision = -1
        for (const events of next.calls) {
          await append(next.stream, events, revision)
          revision += events.length
        }
      }
    }),
  )
  return total / ((performance.now() - started) / 1000)
}

const STREAM_EVENTS = 20

/** Events of some 250 bytes of data, as a submitted step is. */
function makeEvents(stream: string, count: number): NewEvent[] {
  const commandId = randomUUID()
  return encode(
    stream,
    Array.from({ length: count }, () => ({
      id: randomUUID(),
      event: { type: 'StepCompleted', data: { stepId: 'organization_setup', data: ANSWER } },
      metadata: {
        tenant: 'bench',
        actor: { id: 'ada', role: 'participant' },
        commandId,
        commandHash: '0'.repeat(64),
        $correlationId: commandId,
        $causationId: commandId,
        occurredAt: '2026-11-20T09:00:00.000Z',
      },
    })),
    'no_stream',
  )
}

const ANSWER = {
  name: 'Analytical Engines Ltd',
  website: 'https://engines.example/about',
  size: 42,
  industry: 'computing machinery',
  country: 'GB',
  timezone: 'Europe/London',
  languages: ['en', 'fr', 'de'],
  note: 'We weave algebraical patterns.',
}

function emmettStore(connectionString: string): { append: Append; close(): Promise<void> } {
  const store = getPostgreSQLEventStore(connectionString)
  return {
    append: (stream, events, revision) =>
      store.appendToStream(
        stream,
        events.map(({ type, data, metadata }) => ({ type, data, metadata })),
        { expectedStreamVersion: revision < 0 ? 'STREAM_DOES_NOT_EXIST' : BigInt(revision + 1) },
      ),
    close: () => store.close(),
  }
}

/**
 * What one would write without an event store at hand: callers that arrive together share one INSERT into one table, with a
 * sequence for the position and a unique index in place of the expected revision.
 */
async function groupedInserts(connectionString: string): Promise<{ append: Append; close(): Promise<void> }> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(`create table events (
    position bigserial primary key, stream text not null, revision int not null, id uuid not null, type text not null,
    data jsonb not null, metadata jsonb not null, recorded_at timestamptz not null default now(),
    unique (stream, revision))`)
  const waiting: {
    stream: string
    events: readonly NewEvent[]
    from: number
    done: () => void
    fail: (error: Error) => void
  }[] = []
  let busy = false
  const flush = async (): Promise<void> => {
    busy = true
    while (waiting.length > 0) {
      const group = waiting.splice(0, 256)
      const rows = group.flatMap(({ stream, events, from }) =>
        events.map((event, index) => ({ stream, revision: from + index, event })),
      )
      try {
        await client.query({
          name: 'insert',
          text: `insert into events (stream, revision, id, type, data, metadata)
                 select * from unnest($1::text[], $2::int[], $3::uuid[], $4::text[], $5::jsonb[], $6::jsonb[])`,
          values: [
            rows.map(({ stream }) => stream),
            rows.map(({ revision }) => revision),
            rows.map(({ event }) => event.id),
            rows.map(({ event }) => event.type),
            rows.map(({ event }) => JSON.stringify(event.data)),
            rows.map(({ event }) => JSON.stringify(event.metadata)),
          ],
        })
        for (const { done } of group) done()
      } catch (error) {
        for (const { fail } of group) fail(error as Error)
      }
    }
    busy = false
  }
  return {
    append: (stream, events, revision) =>
      new Promise<void>((done, fail) => {
        waiting.push({ stream, events, from: revision + 1, done, fail })
        if (!busy) setImmediate(() => busy || void flush())
      }),
    close: () => client.end(),
  }
}
