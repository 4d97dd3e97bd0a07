import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { describeEventStore } from './contract.ts'
import { collect, events, newStream, readAllOf, revisions, signals } from './contractSupport.ts'

let database: TestDatabase
const open = () => createPostgresEventStore({ connectionString: database.connectionString })
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

describeEventStore('PostgreSQL', () => open())

describe('the log in PostgreSQL', () => {
  let store: EventStore
  beforeAll(async () => {
    store = await open()
  })
  afterAll(() => store.close())

  test('several nodes may start at once on an empty database', async () => {
    const empty = await freshDatabase()
    const nodes = await Promise.all(
      Array.from({ length: 6 }, () => createPostgresEventStore({ connectionString: empty.connectionString })),
    )
    const stream = newStream()
    await nodes[0]!.append(stream, signals(stream, 1), 'no_stream')
    for (const node of nodes) expect(await collect(node.read(stream))).toHaveLength(1)
    await Promise.all(nodes.map((node) => node.close()))
    await empty.drop()
  })

  test('positions have no gaps, whatever was refused, repeated or copied in bulk meanwhile', async () => {
    const other = await open()
    const from = await store.head()
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const node = n % 2 === 0 ? store : other
        const stream = newStream()
        const first = signals(stream, 1 + (n % 3))
        await node.append(stream, first, 'no_stream')
        await node.append(stream, first, 'no_stream')
        await node.append(stream, signals(stream, 2), 77)
        if (n % 10 === 0) await node.append(stream, signals(stream, 500), n % 3)
      }),
    )
    await other.close()
    const positions = (await readAllOf(store, { from })).map(({ position }) => Number(position))
    expect(positions).toEqual(Array.from({ length: positions.length }, (_, n) => Number(from) + 1 + n))
    expect(positions).toHaveLength(39 * 2 + 1 + 4 * 500)
  })

  test('a category is read alike while it has few streams and when it has many', async () => {
    const from = await store.head()
    const write = async (count: number) => {
      const streams = Array.from({ length: count }, (_, n) => newStream('t', n % 2 ? 'rare' : 'common'))
      await store.appendMany(
        streams.map((stream) => ({ stream, events: signals(stream, 2), expected: 'no_stream' })),
      )
    }
    const isRare = async (pageSize: number) => {
      const whole = (await readAllOf(store, { from })).filter(({ stream }) => stream.startsWith('rare-'))
      const only = { from, categories: ['rare'], types: ['SignalTracked'], pageSize }
      expect(await readAllOf(store, only)).toEqual(whole)
      return whole.length
    }
    await write(20)
    expect(await isRare(3)).toBe(20)
    expect(await isRare(1000)).toBe(20)
    await write(1200)
    expect(await isRare(1000)).toBe(1220)
    await write(1200)
    expect(await isRare(700)).toBe(2420)
  })

  test('appends that follow on each other may be sent without waiting', async () => {
    const stream = newStream()
    const appends = Array.from({ length: 5 }, (_, n) =>
      store.append(stream, signals(stream, 2), n === 0 ? 'no_stream' : n * 2 - 1),
    )
    expect(await Promise.all(appends)).toMatchObject(
      [1, 3, 5, 7, 9].map((revision) => ({ ok: true, revision })),
    )
    expect(revisions(await collect(store.read(stream)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('behind one that is refused in the same group, one that fits is still taken', async () => {
    const stream = newStream()
    await store.append(stream, signals(stream, 1), 'no_stream')
    const outcomes = await Promise.all([
      store.append(stream, signals(stream, 1), 5),
      store.append(stream, signals(stream, 1), 0),
      store.append(stream, signals(stream, 1), 1),
    ])
    expect(outcomes).toMatchObject([
      { ok: false, actual: 0 },
      { ok: true, revision: 1 },
      { ok: true, revision: 2 },
    ])
  })

  test('an append that PostgreSQL itself refuses does not take its group with it', async () => {
    const client = new pg.Client({ connectionString: database.connectionString })
    await client.connect()
    await client.query(
      "alter table log.events add constraint no_poison check (data not like '%poison%') not valid",
    )
    const streams = Array.from({ length: 20 }, () => newStream())
    const outcomes = await Promise.allSettled(
      streams.map((stream, n) =>
        store.append(
          stream,
          n === 7 ? events(stream, [{ signal: 'poison' }]) : signals(stream, 1),
          'no_stream',
        ),
      ),
    )
    await client.query('alter table log.events drop constraint no_poison')
    await client.end()
    expect(outcomes.map(({ status }) => status)).toEqual(
      streams.map((_, n) => (n === 7 ? 'rejected' : 'fulfilled')),
    )
    expect(await collect(store.read(streams[7]!))).toEqual([])
    for (const [n, stream] of streams.entries())
      if (n !== 7) expect(await collect(store.read(stream))).toHaveLength(1)
  })

  test.each(['update log.events set data = data', 'delete from log.events', 'truncate log.events'])(
    'what is written stays: %s is refused',
    async (statement) => {
      const client = new pg.Client({ connectionString: database.connectionString })
      await client.connect()
      await expect(client.query(statement)).rejects.toThrow('events are facts')
      await client.end()
    },
  )
})
