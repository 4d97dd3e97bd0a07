import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { frameRuns } from '../../src/api/liveFrameRun.ts'
import { type HubListener, type LiveHub, startHub } from '../../src/api/liveHub.ts'
import { joinSession, type Sink } from '../../src/api/liveJoin.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { collect } from '../eventStore/contractSupport.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record, signal } from '../support/log.ts'

let database: TestDatabase
let store: EventStore
let hub: LiveHub

beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore({ connectionString: database.connectionString })
  hub = startHub({ store, progressFrame: async () => undefined, onError: console.error })
})

afterAll(async () => {
  await hub.stop()
  await store.close()
  await database.drop()
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Takes its time for each frame of the history. */
function slowSink(ms: number) {
  const seqs: number[] = []
  const take = (bytes: Buffer) => seqs.push(JSON.parse(String(bytes)).seq)
  const sink: Sink = {
    send({ each }) {
      for (const text of each) take(text)
      return true
    },
    async sendPaced(bytes) {
      take(bytes)
      await delay(ms)
      return true
    },
  }
  return { seqs, sink }
}

function joinSlowly(session: string, ms: number, hubOf = hub) {
  const { seqs, sink } = slowSink(ms)
  const errors: unknown[] = []
  let caughtUpAt: number | undefined
  const join = joinSession({
    store,
    hub: hubOf,
    sink,
    stream: `session-acme_${session}`,
    sessionId: session,
    after: -1,
    onJoined: () => {},
    onCaughtUp: () => {
      caughtUpAt = join.sent
    },
    onError: (error) => errors.push(error),
  })
  return { join, seqs, errors, caughtUpAt: () => caughtUpAt }
}

test('what is appended while a slow client reads the history is read too before it goes live', async () => {
  await record(
    store,
    'acme',
    'slow',
    range(0, 29).map(() => signal('old')),
  )
  const { join, seqs, errors, caughtUpAt } = joinSlowly('slow', 4)
  for (let i = 0; i < 20; i++) {
    await record(store, 'acme', 'slow', [signal('meanwhile')])
    await delay(3)
  }
  await expect.poll(() => caughtUpAt(), { timeout: 10_000 }).toBeDefined()
  const from = caughtUpAt()!
  await record(store, 'acme', 'slow', [signal('live'), signal('live')])
  await expect.poll(() => seqs.at(-1), { timeout: 10_000 }).toBe(51)
  expect(seqs).toEqual(range(0, 51))
  expect(from).toBeGreaterThanOrEqual(30)
  expect(errors).toEqual([])
  join.leave()
})

test('what is appended with the last page on its way is not lost when nothing comes after it', async () => {
  await record(
    store,
    'acme',
    'last',
    range(0, 9).map(() => signal('old')),
  )
  const { join, seqs } = joinSlowly('last', 10)
  await expect.poll(() => seqs.length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(5)
  await record(store, 'acme', 'last', [signal('the last one')])
  await expect.poll(() => seqs.at(-1), { timeout: 10_000 }).toBe(10)
  expect(seqs).toEqual(range(0, 10))
  join.leave()
})

test('after leaving nothing more is sent', async () => {
  await record(store, 'acme', 'left', [signal('a')])
  const { join, seqs } = joinSlowly('left', 0)
  await expect.poll(() => seqs, { timeout: 10_000 }).toEqual([0])
  join.leave()
  await record(store, 'acme', 'left', [signal('b')])
  await delay(50)
  expect(seqs).toEqual([0])
})

describe('of a run of live events', () => {
  const STREAM = 'session-acme_told'
  let tell: HubListener['onEvents']
  const told: LiveHub = {
    ready: async () => {},
    listen(_, listener) {
      tell = (run) => listener.onEvents(run)
    },
    unlisten() {},
    stop: async () => {},
  }
  const append = (count: number) =>
    record(
      store,
      'acme',
      'told',
      range(1, count).map(() => signal('x')),
    )
  const runFrom = async (from: number) => {
    const [run] = frameRuns(STREAM, await collect(store.read(STREAM, { from })))
    return run!
  }

  test('what was read from the log already is left out, and what is missing before it is read', async () => {
    await append(10)
    const { join, seqs, errors, caughtUpAt } = joinSlowly('told', 0, told)
    await expect.poll(caughtUpAt, { timeout: 10_000 }).toBe(9)
    await append(2)
    const late = await runFrom(8)
    tell(late)
    expect(seqs).toEqual(range(0, 11))
    tell(late)
    expect(seqs).toEqual(range(0, 11))
    await append(3)
    tell(await runFrom(13))
    await expect.poll(() => join.sent, { timeout: 10_000 }).toBe(14)
    await append(1)
    tell(await runFrom(15))
    await expect.poll(() => seqs.at(-1), { timeout: 10_000 }).toBe(15)
    expect(seqs).toEqual(range(0, 15))
    expect(errors).toEqual([])
    join.leave()
  })
})
