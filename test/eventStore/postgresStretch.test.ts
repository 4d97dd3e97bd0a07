import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StoredEvent } from '../../src/domain/envelope.ts'
import { encode } from '../../src/eventStore/codec.ts'
import { copyOut, TooManyBytes } from '../../src/eventStore/copyOut.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { collect, followerOf, newStream, readAllOf } from './contractSupport.ts'

/** Most of the log is read by COPY in its binary format, a stream by a query that answers texts: nobody may see a difference. */

let database: TestDatabase
let store: EventStore
beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore(database)
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

const commands = [
  'line:abc:0',
  'line:def:1',
  '"',
  '\\',
  'é🙂',
  '","occurredAt":"',
  '\u2028\u0007',
  'line:ghi:0',
]
const actors = [
  { id: 'ann', role: 'admin' },
  { id: 'b"ö\\', role: 'admin' },
]

async function write(stream: string, sizes: readonly number[], n: number): Promise<void> {
  const events = encode(
    stream,
    sizes.map((size, i) => ({
      id: randomUUID(),
      event: { type: 'SignalTracked', data: { signal: `é"\\${i}`, properties: { text: '🙂'.repeat(size) } } },
      metadata: {
        tenant: 'any',
        actor: actors[n % actors.length]!,
        commandId: commands[i % commands.length]!,
        commandHash: 'f00',
        $correlationId: 'one',
        $causationId: 'one',
        occurredAt: `2026-11-20T09:00:00.${String(i % 1000).padStart(3, '0')}Z`,
      },
    })),
    'no_stream',
  )
  await store.append(stream, events, 'no_stream')
}

test('the log read in stretches is the log read stream by stream, whatever its events hold', async () => {
  const streams = Array.from({ length: 40 }, (_, n) => newStream('any', n % 3 === 0 ? 'flow' : 'session'))
  for (const [n, stream] of streams.entries())
    await write(stream, n % 10 === 9 ? [100_000, 1, 100_000] : Array(12).fill(n), n)
  const byStream = (await Promise.all(streams.map((stream) => collect(store.read(stream)))))
    .flat()
    .sort((a, b) => Number(a.position) - Number(b.position))

  expect(await readAllOf(store, {})).toEqual(byStream)
  for (const pageSize of [1, 7, 1000]) {
    const follower = followerOf(store, { from: '0', pageSize })
    await follower.until(({ seen }) => seen.at(-1)?.kind === 'caughtUp')
    expect(follower.events()).toEqual(byStream)
    await follower.stop()
  }
})

test('who wants few streams is given these and hears how far the log was looked at', async () => {
  const stream = newStream('any', 'session')
  await write(stream, Array(3).fill(1), 0)
  await write(newStream('any', 'session'), Array(2).fill(1), 0)
  const own: StoredEvent[] = await collect(store.read(stream))
  const follower = followerOf(store, { from: '0', wanted: (name) => name === stream })
  await follower.until(({ seen }) => seen.at(-1)?.kind === 'caughtUp')
  expect(follower.seen.at(-1)!.through).toBe(await store.head())
  expect(follower.events()).toEqual(own)
  await write(newStream('any', 'session'), [1], 0)
  const head = await store.head()
  await follower.until(({ seen }) => seen.at(-1)!.through === head)
  expect(follower.events()).toEqual(own)
  await follower.stop()
})

test('a copy larger than it may be is broken off, one that the server refuses is its error, and the next one works', async () => {
  const pool = new pg.Pool({ connectionString: database.connectionString, max: 1 })
  const copy = (rows: number, most: number) =>
    copyOut(pool, `copy (select repeat('x', 999) from generate_series(1, ${rows})) to stdout`, {
      expected: 10,
      most,
    })
  try {
    await expect(copy(100_000, 500_000)).rejects.toThrow(TooManyBytes)
    await expect(copyOut(pool, 'copy (select 1/0) to stdout', { expected: 10, most: 100 })).rejects.toThrow(
      /division by zero/,
    )
    expect((await copy(500, 500_000)).toString()).toBe(`${'x'.repeat(999)}\n`.repeat(500))
  } finally {
    await pool.end()
  }
})
