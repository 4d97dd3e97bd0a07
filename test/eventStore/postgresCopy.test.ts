import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Append } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase } from '../support/database.ts'
import { collect, ids, newStream, readAllOf, signals } from './contractSupport.ts'

test('of a large group that is refused in part, the rest is written in order without gaps', async () => {
  const database = await freshDatabase()
  const store = await createPostgresEventStore({ connectionString: database.connectionString })
  onTestFinished(async () => {
    await store.close()
    await database.drop()
  })
  const streams = Array.from({ length: 4 }, () => newStream())
  const events = streams.map((stream) => signals(stream, 200))
  const place = (index: number) => (index === 1 ? 7 : 'no_stream')
  const appends = streams.map((stream, index) => ({
    stream,
    events: events[index]!,
    expected: place(index),
  })) as Append[]

  const results = await store.appendMany(appends)

  expect(results.map(({ ok }) => ok)).toEqual([true, false, true, true])
  const stored = await readAllOf(store, {})
  expect(stored.map(({ stream, revision, position }) => ({ stream, revision, position }))).toEqual(
    [0, 2, 3].flatMap((index, nth) =>
      events[index]!.map((_, revision) => ({
        stream: streams[index]!,
        revision,
        position: String(nth * 200 + revision + 1),
      })),
    ),
  )
  expect(ids(stored)).toEqual([0, 2, 3].flatMap((index) => ids(events[index]!)))
  for (const { recordedAt } of stored)
    expect(Math.abs(Date.parse(recordedAt) - Date.now())).toBeLessThan(60_000)
})

test('a COPY that does not come back is given up, its connection thrown away, and what it brought is written once', async () => {
  const database = await freshDatabase()
  const store = await createPostgresEventStore({
    connectionString: database.connectionString,
    deadline: 6000,
  })
  const blocker = new pg.Client({ connectionString: database.connectionString })
  await blocker.connect()
  onTestFinished(async () => {
    await blocker.end()
    await store.close()
    await database.drop()
  })
  await blocker.query('begin; lock table log.events in share mode')

  const stream = newStream()
  const events = signals(stream, 500)
  const appended = store.append(stream, events, 'no_stream')
  // Longer than a call to the database may take, which is a third of the deadline.
  await delay(2500)
  await blocker.query('rollback')

  expect(await appended).toMatchObject({ ok: true, revision: 499 })
  expect(ids(await collect(store.read(stream)))).toEqual(ids(events))
})
