import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { EventStoreUnavailable } from '../../src/eventStore/eventStore.ts'
import type { Fault } from '../support/esdb/faults.ts'
import { anEvent, aServer, aStore, events, idsOf } from '../support/esdb/harness.ts'
import { startTcpProxy } from '../support/esdb/proxy.ts'

const aStream = () => `session-acme_${randomUUID()}`

describe('an append on EventStoreDB', () => {
  const faults: Fault[] = [
    { kind: 'drop' },
    { kind: 'stall' },
    { kind: 'late', ms: 50 },
    { kind: 'late', ms: 500 },
    { kind: 'doneLate', ms: 500 },
    { kind: 'loseAnswer' },
    { kind: 'withholdAnswer' },
    { kind: 'answerTwice' },
    { kind: 'fail' },
    { kind: 'fail', code: 13, message: 'Unexpected internal error' },
    { kind: 'fail', code: 4, message: 'Deadline exceeded' },
  ]
  for (const fault of faults) {
    test(`is written once and answered when the server does ${JSON.stringify(fault)} to it twice`, async () => {
      const server = await aServer()
      const store = await aStore(server)
      const stream = aStream()
      const first = events(3)
      await store.append(stream, first, 'no_stream')
      const second = events(2)
      server.faults.inject('append', fault, 2)

      const answer = await store.append(stream, second, 2)

      expect(answer).toMatchObject({ ok: true, revision: 4, position: await store.head() })
      expect(await store.append(stream, [anEvent()], 4)).toMatchObject({ ok: true, revision: 5 })
      const ids = await idsOf(store.read(stream))
      expect(ids.slice(0, 5)).toEqual([...first, ...second].map(({ id }) => id))
      expect(ids).toHaveLength(6)
      expect(server.faults.met).toBeGreaterThan(0)
    })
  }

  test('tells a conflict as a conflict although its own outcome was unknown before', async () => {
    const server = await aServer()
    const [ours, theirs] = [await aStore(server), await aStore(server)]
    const stream = aStream()
    server.faults.inject('append', { kind: 'doneLate', ms: 200 })
    const slow = ours.append(stream, [anEvent()], 'no_stream')
    await theirs.append(stream, [anEvent()], 'no_stream')
    expect(await slow).toEqual({ ok: false, actual: 0 })
  })

  test('is known by the stream itself when the server takes its repeat for a conflict', async () => {
    const server = await aServer()
    const [ours, theirs] = [await aStore(server), await aStore(server)]
    const stream = aStream()
    const batch = events(3)
    server.faults.inject('append', { kind: 'loseAnswer' })
    server.faults.inject('append', { kind: 'forgetIds' })
    const answer = await ours.append(stream, batch, 'no_stream')
    expect(answer).toEqual({ ok: true, revision: 2, position: await ours.head() })
    await theirs.append(stream, [anEvent()], 2)
    server.faults.inject('append', { kind: 'fail' })
    server.faults.inject('append', { kind: 'forgetIds' })
    expect(await ours.append(stream, events(1), 2)).toEqual({ ok: false, actual: 3 })
  })

  test('is answered alike again later, also after others appended', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const stream = aStream()
    const first = events(3)
    const answer = await store.append(stream, first, 'no_stream')
    await store.append(stream, events(2), 2)
    expect(await store.append(stream, first, 'no_stream')).toEqual(answer)
    expect(await idsOf(store.read(stream))).toHaveLength(5)
  })

  test('throws when its outcome stays unknown, and is known once the server answers again', async () => {
    const server = await aServer()
    const store = await aStore(server, { deadlineMs: 700, attemptMs: 200 })
    const stream = aStream()
    const event = anEvent()
    server.faults.inject('append', { kind: 'withholdAnswer' }, Number.POSITIVE_INFINITY)
    const began = Date.now()
    await expect(store.append(stream, [event], 'no_stream')).rejects.toThrow(EventStoreUnavailable)
    // Its own deadline of 0.7 s, not the 8 s of the other tests.
    expect(Date.now() - began).toBeLessThan(5_000)
    server.faults.clear()
    expect(await store.append(stream, [event], 'no_stream')).toMatchObject({ ok: true, revision: 0 })
    expect(await idsOf(store.read(stream))).toEqual([event.id])
  })

  test('gets through on a new connection when the old one is half-open', async () => {
    const server = await aServer()
    const proxy = await startTcpProxy(server.port)
    const connectionString = `esdb://127.0.0.1:${proxy.port}?tls=false`
    const store = await aStore({ connectionString })
    // gRPC shares a connection between clients of one process: this one holds on to it.
    const idle = await aStore({ connectionString })
    const stream = aStream()
    await store.append(stream, [anEvent()], 'no_stream')
    proxy.blackhole()
    expect(await store.append(stream, [anEvent()], 0)).toMatchObject({ ok: true, revision: 1 })
    expect(await idsOf(store.read(stream))).toHaveLength(2)
    await Promise.all([store.close(), idle.close()])
    await proxy.stop()
  })

  test('keeps every one of many apart while connections are reset under them', {
    timeout: 40_000,
  }, async () => {
    const server = await aServer()
    const [one, other] = [await aStore(server), await aStore(server)]
    const resets = setInterval(() => server.dropConnections(), 40)
    const written = new Map<string, string[]>()
    await Promise.all(
      Array.from({ length: 40 }, async (_, writer) => {
        const store = writer % 2 === 0 ? one : other
        const stream = aStream()
        const ids: string[] = []
        for (let revision = -1; revision < 14; ) {
          const batch = events(3)
          const answer = await store.append(stream, batch, revision < 0 ? 'no_stream' : revision)
          expect(answer).toMatchObject({ ok: true, revision: revision + 3 })
          ids.push(...batch.map(({ id }) => id))
          revision += 3
        }
        written.set(stream, ids)
      }),
    )
    clearInterval(resets)
    for (const [stream, ids] of written) expect(await idsOf(one.read(stream))).toEqual(ids)
    expect(server.log.all.filter(({ stream }) => written.has(stream))).toHaveLength(40 * 15)
  })

  test('of many is answered one by one, in order, each with its verdict', async () => {
    const store = await aStore(await aServer())
    const streams = Array.from({ length: 200 }, aStream)
    await store.append(streams[7]!, [anEvent()], 'no_stream')
    const appends = streams.map((stream) => ({ stream, events: events(2), expected: 'no_stream' as const }))
    const answers = await store.appendMany(appends)
    expect(answers).toHaveLength(200)
    expect(answers[7]).toEqual({ ok: false, actual: 0 })
    expect(answers.filter((answer) => answer.ok && answer.revision === 1)).toHaveLength(199)
  })

  test.each([
    ['an id that is not a UUID', { ...anEvent(), id: 'nonsense' }, /not a UUID/],
    ['more than 1 MiB', anEvent('Big', { text: 'x'.repeat(1_048_576) }), /larger than/],
    ['a number that JSON does not know', anEvent('Odd', { n: 1n as never }), /BigInt/],
  ])('with %s is refused before it is sent', async (_, event, reason) => {
    const server = await aServer()
    const store = await aStore(server)
    const before = server.log.all.length
    await expect(store.append(aStream(), [event], 'no_stream')).rejects.toThrow(reason)
    expect(server.log.all).toHaveLength(before)
  })

  test('to a tombstoned stream throws at once', async () => {
    const server = await aServer()
    const store = await aStore(server)
    const stream = aStream()
    await store.append(stream, [anEvent()], 'no_stream')
    server.log.delete(stream, 'hard')
    await expect(store.append(stream, [anEvent()], 0)).rejects.toThrow(/StreamDeleted/)
    expect(await idsOf(store.read(stream))).toEqual([])
  })

  test('goes to the leader that a node which is not tells of', async () => {
    const leader = await aServer()
    const follower = await aServer({ log: leader.log })
    const store = await aStore(follower)
    const told = { kind: 'notLeader', host: '127.0.0.1', port: leader.port } as const
    follower.faults.inject('append', told, Number.POSITIVE_INFINITY)
    expect(await store.append(aStream(), [anEvent()], 'no_stream')).toMatchObject({ ok: true, revision: 0 })
    expect(follower.faults.met).toBe(1)
  })
})

describe('the engine', () => {
  test('says so at once when no server answers', async () => {
    const server = await aServer()
    await server.stop()
    await expect(aStore(server, { deadlineMs: 400, attemptMs: 100 })).rejects.toThrow(
      `EventStoreDB at 127.0.0.1:${server.port} does not answer`,
    )
  })

  test('answers a ping only while the log can be written', async () => {
    const server = await aServer()
    const store = await aStore(server, { deadlineMs: 400, attemptMs: 100 })
    await store.ping()
    server.faults.inject('append', { kind: 'fail' }, Number.POSITIVE_INFINITY)
    await expect(store.ping()).rejects.toThrow(EventStoreUnavailable)
    expect(await store.head()).toBe('0')
  })

  test('refuses everything once it is closed, and what was pending', async () => {
    const server = await aServer()
    const store = await aStore(server)
    server.faults.inject('append', { kind: 'stall' }, Number.POSITIVE_INFINITY)
    const pending = store.append(aStream(), [anEvent()], 'no_stream')
    const refused = expect(pending).rejects.toThrow(EventStoreUnavailable)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await store.close()
    await refused
    await expect(store.head()).rejects.toThrow('closed')
  })
})
