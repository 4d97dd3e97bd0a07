import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { EventStoreUnavailable } from '../../src/eventStore/eventStore.ts'
import type { Fault } from '../support/esdb/faults.ts'
import { anEvent, aServer, aStore, events, idsOf } from '../support/esdb/harness.ts'

const aStream = () => `session-acme_${randomUUID()}`

describe('reading from EventStoreDB', () => {
  const faults: Fault[] = [
    { kind: 'drop' },
    { kind: 'fail' },
    { kind: 'fail', code: 13 },
    { kind: 'stall' },
    { kind: 'doneLate', ms: 400 },
    { kind: 'dropAfter', events: 40 },
    { kind: 'silentAfter', events: 40 },
    { kind: 'tooSlowAfter', events: 40 },
  ]
  for (const fault of faults) {
    test(`answers whole when a read meets ${JSON.stringify(fault)} twice`, async () => {
      const server = await aServer()
      const store = await aStore(server)
      const stream = aStream()
      const written = events(100)
      await store.append(stream, written, 'no_stream')
      const ids = written.map(({ id }) => id)

      server.faults.inject('read', fault, 2)
      expect(await idsOf(store.read(stream))).toEqual(ids)
      server.faults.inject('read', fault, 2)
      expect(await idsOf(store.read(stream, { direction: 'backwards', from: 89 }))).toEqual(
        ids.slice(0, 90).reverse(),
      )
      server.faults.inject('read', fault, 3)
      const all: string[] = []
      for await (const page of store.readAll({ pageSize: 30 })) {
        expect(page.length).toBeLessThanOrEqual(30)
        all.push(...page.map(({ id }) => id))
      }
      expect(all).toEqual(ids)
      server.faults.inject('read', fault, 2)
      expect((await store.heads([stream, aStream()])).get(stream)).toMatchObject({ revision: 99 })
    })
  }

  test('finds out that a read of the whole log ended before its end', async () => {
    const server = await aServer()
    const store = await aStore(server)
    await store.append(aStream(), events(100), 'no_stream')
    server.faults.inject('read', { kind: 'endAfter', events: 2 })
    server.faults.inject('read', { kind: 'endAfter', events: 40 }, 2)
    let count = 0
    for await (const page of store.readAll()) count += page.length
    expect(count).toBe(100)
  })

  test('throws when nothing comes within the deadline, and not at a consumer that takes its time', async () => {
    const server = await aServer()
    const store = await aStore(server, { deadlineMs: 500, attemptMs: 100 })
    const stream = aStream()
    await store.append(stream, events(100), 'no_stream')
    let slow = 0
    for await (const _ of store.read(stream, { limit: 4 })) {
      await new Promise((resolve) => setTimeout(resolve, 250))
      slow += 1
    }
    expect(slow).toBe(4)
    server.faults.inject('read', { kind: 'stall' }, Number.POSITIVE_INFINITY)
    await expect(idsOf(store.read(stream))).rejects.toThrow(EventStoreUnavailable)
  })

  test('gives up reads that their consumer leaves, without a trace', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const stream = aStream()
    for (let revision = -1; revision < 4_999; revision += 500) {
      await store.append(stream, events(500), revision < 0 ? 'no_stream' : revision)
    }
    for (let times = 0; times < 20; times += 1) {
      for await (const event of store.read(stream)) if (event.revision === 3) break
      for await (const page of store.readAll({ pageSize: 10 })) if (page.length === 10) break
      server.dropConnections()
    }
    for (let times = 0; times < 10; times += 1) {
      for await (const event of store.read(stream)) if (event.revision === 3) break
      for await (const page of store.readAll({ pageSize: 10 })) if (page.length === 10) break
    }
    expect(await idsOf(store.read(stream, { from: 4_990 }))).toHaveLength(10)
    await expect.poll(() => server.reading()).toBe(0)
  })

  test('keeps data and metadata as they were given', async () => {
    const store = await aStore(await aServer())
    const stream = aStream()
    const data = { text: 'é\u0000\u2028😀', '10': 'ten', b: [1.5, -0.1, 1e21, null, true, { c: '' }], a: {} }
    const event = anEvent('StepSaved', data)
    await store.append(stream, [event], 'no_stream')
    for await (const stored of store.read(stream)) {
      expect(stored).toMatchObject(event)
      expect(JSON.stringify(stored.data)).toBe(JSON.stringify(data))
      expect(Math.abs(Date.parse(stored.recordedAt) - Date.now())).toBeLessThan(10_000)
    }
  })

  test('the head is our last event, also behind thousands of others', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const answer = await store.append(aStream(), [anEvent()], 'no_stream')
    const stats = { type: '$statsCollected', contentType: 'application/json', data: Buffer.from('{}') }
    for (let n = 0; n < 3_000; n += 1) {
      server.log.append(
        '$stats',
        [{ ...stats, id: randomUUID(), metadata: Buffer.from('') }],
        n - 1 < 0 ? 'no_stream' : n - 1,
      )
    }
    expect(await store.head()).toBe(answer.ok && answer.position)
    expect(await (await aStore(server)).head()).toBe(answer.ok && answer.position)
  })
})
