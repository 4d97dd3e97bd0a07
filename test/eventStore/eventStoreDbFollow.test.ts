import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { comparePositions } from '../../src/domain/position.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import type { Fault } from '../support/esdb/faults.ts'
import { anEvent, aServer, aStore, events, keptLog, type Watched, watch } from '../support/esdb/harness.ts'

/** Appends batch after batch to some streams, and answers the ids in order of position. */
async function write(store: EventStore, batches: number, each = 5): Promise<string[]> {
  const stream = `session-acme_${randomUUID()}`
  const ids: string[] = []
  for (let batch = 0; batch < batches; batch += 1) {
    const written = events(each)
    const answer = await store.append(stream, written, batch === 0 ? 'no_stream' : batch * each - 1)
    expect(answer.ok).toBe(true)
    ids.push(...written.map(({ id }) => id))
  }
  return ids
}

const ids = (watched: Watched) => watched.events.map(({ id }) => id)
const last = (watched: Watched) => watched.told.at(-1)

describe('following EventStoreDB', () => {
  test('tells first what is there, then that it caught up, then what comes', async () => {
    const store = await aStore(await aServer())
    const before = await write(store, 20)
    const watched = watch(store)
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    expect(ids(watched)).toEqual(before)
    expect(last(watched)).toEqual({ kind: 'caughtUp', through: await store.head() })
    const after = await write(store, 3)
    await watched.until(() => watched.events.length === 115)
    expect(ids(watched)).toEqual([...before, ...after])
  })

  test('starts after the position it is given', async () => {
    const store = await aStore(await aServer())
    await write(store, 4)
    const from = await store.head()
    const after = await write(store, 2)
    const watched = watch(store, { from })
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    expect(ids(watched)).toEqual(after)
  })

  test.each(['end', 'tooSlow', 'down', 'silent', 'drop'] as const)(
    'goes on without gap or double when the subscription is cut: %s',
    async (how) => {
      const server = await aServer()
      const store = await aStore(server)
      const watched = watch(store)
      const written: string[] = []
      for (let cut = 0; cut < 3; cut += 1) {
        await watched.until(() => server.subscriptions() === 1)
        written.push(...(await write(store, 4)))
        server.cutSubscriptions(how)
        written.push(...(await write(store, 4)))
        await watched.until(() => watched.events.length === written.length)
        const caughtUp = () => watched.told.filter(({ kind }) => kind === 'caughtUp').length
        await watched.until(() => caughtUp() >= cut + 2)
      }
      expect(ids(watched)).toEqual(written)
    },
  )

  const faults: Fault[] = [
    { kind: 'fail' },
    { kind: 'fail', code: 2, message: 'Unexpected' },
    { kind: 'drop' },
    { kind: 'stall' },
    { kind: 'doneLate', ms: 400 },
    { kind: 'endAfter', events: 7 },
    { kind: 'tooSlowAfter', events: 7 },
    { kind: 'downAfter', events: 7 },
    { kind: 'silentAfter', events: 7 },
    { kind: 'dropAfter', events: 7 },
  ]
  for (const fault of faults) {
    test(`survives subscribing that meets ${JSON.stringify(fault)} three times`, async () => {
      const server = await aServer()
      const store = await aStore(server)
      const before = await write(store, 10)
      server.faults.inject('subscribe', fault, 3)
      const watched = watch(store)
      await watched.until(() => watched.events.length === 50)
      const after = await write(store, 2)
      await watched.until(() => watched.events.length === 60)
      expect(ids(watched)).toEqual([...before, ...after])
      expect(server.faults.met).toBe(3)
    })
  }

  test('does not lose its place while its consumer is slow and the log grows', {
    timeout: 40_000,
  }, async () => {
    const server = await aServer()
    const store = await aStore(server)
    let busy = Promise.resolve()
    const watched = watch(store, { each: () => busy })
    await watched.until(() => server.subscriptions() === 1)
    let free = () => {}
    busy = new Promise((resolve) => {
      free = resolve
    })
    const written = await write(store, 60, 200)
    // It ends its subscription itself, rather than hold everything or be dropped.
    await watched.until(() => server.subscriptions() === 0)
    busy = Promise.resolve()
    free()
    await watched.until(() => watched.events.length === 12_000, 15_000)
    expect(ids(watched)).toEqual(written)
    expect(server.subscribed()).toBeGreaterThan(1)
  })

  test('is told again that it caught up after it fell behind', async () => {
    const server = await aServer()
    const store = await aStore(server)
    let busy = Promise.resolve()
    const watched = watch(store, { each: () => busy })
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    let free = () => {}
    busy = new Promise((resolve) => {
      free = resolve
    })
    await write(store, 10, 200)
    busy = Promise.resolve()
    free()
    await watched.until(() => watched.events.length === 2_000 && last(watched)?.kind === 'caughtUp')
    expect(last(watched)?.through).toBe(await store.head())
  })

  test('goes on when the server stands still for a while', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const watched = watch(store)
    const before = await write(store, 3)
    server.freeze(true)
    const pending = write(store, 3)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    server.freeze(false)
    const after = await pending
    await watched.until(() => watched.events.length === 30)
    expect(ids(watched)).toEqual([...before, ...after])
  })

  test('tells no position twice and none that goes backwards, whatever the server does', async () => {
    const { logger, messages } = keptLog()
    const server = await aServer()
    const store = await aStore(server, { logger })
    const watched = watch(store)
    const before = await write(store, 10)
    await watched.until(() => watched.events.length === 50)
    // The server comes back from an old backup: what is appended now lies before what was seen.
    await server.stop()
    const older = await aServer({ port: server.port })
    await write(await aStore(older), 1)
    await watched.until(() => messages.some((message) => message.includes('set back')))
    await watched.until(() => older.subscriptions() === 1)
    await write(await aStore(older), 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(ids(watched)).toEqual(before)
    const through = watched.told.map((told) => told.through)
    expect(through).toEqual([...through].sort(comparePositions))
  })

  test('passes over events of the server and of other applications', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const foreign = (type: string, metadata = '', contentType = 'application/json') => ({
      id: randomUUID(),
      type,
      contentType,
      data: Buffer.from('{}'),
      metadata: Buffer.from(metadata),
    })
    server.log.append('$stats-0.0.0.0:2113', [foreign('$statsCollected')], 'any')
    server.log.append('orders', [foreign('OrderPlaced')], 'any')
    server.log.append('order-eu_17', [foreign('OrderPlaced')], 'any')
    const tenant = JSON.stringify({ tenant: 'acme' })
    server.log.append('$ce-acme_1', [foreign('$>', tenant)], 'any')
    server.log.append('session-acme_1', [foreign('Photo', tenant, 'application/octet-stream')], 'any')
    const written = await write(store, 1)
    server.log.append('orders', [foreign('OrderPaid')], 'any')
    const watched = watch(store)
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    expect(ids(watched)).toEqual(written)
    expect(last(watched)?.through).toBe(await store.head())
    const all: string[] = []
    for await (const page of store.readAll()) all.push(...page.map(({ id }) => id))
    expect(all).toEqual(written)
  })

  test('moves past what the filter leaves out', async () => {
    const store = await aStore(await aServer())
    const watched = watch(store, { types: ['SessionStarted'], categories: ['session'], tenant: 'acme' })
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    await store.append('session-acme_1', [anEvent('SessionStarted'), anEvent()], 'no_stream')
    await store.append('flow-acme_1', [anEvent('SessionStarted')], 'no_stream')
    await store.append('session-other_1', [anEvent('SessionStarted')], 'no_stream')
    const head = await store.head()
    await watched.until(() => last(watched)?.through === head)
    expect(watched.events.map(({ stream }) => stream)).toEqual(['session-acme_1'])
  })

  test('ends at once when it is told to, or the store is closed', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const watched = watch(store)
    await watched.until(() => last(watched)?.kind === 'caughtUp')
    await watched.stop()
    await watched.until(() => server.subscriptions() === 0)
    const other = watch(store)
    await other.until(() => last(other)?.kind === 'caughtUp')
    await store.close()
    await other.stop()
    await other.until(() => server.subscriptions() === 0)
  })
})
