import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase } from '../support/database.ts'
import { collect, ids, newStream, signals } from './contractSupport.ts'

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
