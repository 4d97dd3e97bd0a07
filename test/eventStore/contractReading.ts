import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { comparePositions, START } from '../../src/domain/position.ts'
import type { Nodes } from './contract.ts'
import {
  collect,
  events,
  ids,
  newStream,
  newTenant,
  readAllOf,
  revisions,
  signals,
} from './contractSupport.ts'

export function reading(nodes: Nodes): void {
  describe('read', () => {
    test('a stream that does not exist yields nothing', async () => {
      expect(await collect(nodes.store.read(newStream()))).toEqual([])
      expect(await collect(nodes.store.read(newStream(), { direction: 'backwards' }))).toEqual([])
    })

    test('goes forwards from the start and backwards from the end, unless told', async () => {
      const stream = newStream()
      const written = signals(stream, 6)
      await nodes.store.append(stream, written, 'no_stream')
      const forwards = await collect(nodes.store.read(stream))
      const backwards = await collect(nodes.store.read(stream, { direction: 'backwards' }))
      expect(ids(forwards)).toEqual(ids(written))
      expect(revisions(forwards)).toEqual([0, 1, 2, 3, 4, 5])
      expect(backwards).toEqual([...forwards].reverse())
    })

    test.each([
      [{ from: 3 }, [3, 4, 5]],
      [{ from: 3, limit: 2 }, [3, 4]],
      [{ limit: 1 }, [0]],
      [{ limit: 0 }, []],
      [{ from: 5 }, [5]],
      [{ from: 6 }, []],
      [{ from: 2, direction: 'backwards' }, [2, 1, 0]],
      [{ from: 2, limit: 2, direction: 'backwards' }, [2, 1]],
      [{ limit: 1, direction: 'backwards' }, [5]],
      [{ from: 0, direction: 'backwards' }, [0]],
      [{ from: 99, direction: 'backwards' }, [5, 4, 3, 2, 1, 0]],
    ] as const)('%j of six events gives %j', async (options, expected) => {
      const stream = newStream()
      await nodes.store.append(stream, signals(stream, 6), 'no_stream')
      expect(revisions(await collect(nodes.store.read(stream, options)))).toEqual(expected)
    })

    test('a long stream comes whole and in order, both ways', async () => {
      const stream = newStream()
      await nodes.store.append(stream, signals(stream, 1000), 'no_stream')
      await nodes.store.append(stream, signals(stream, 301), 999)
      const all = Array.from({ length: 1301 }, (_, revision) => revision)
      expect(revisions(await collect(nodes.store.read(stream)))).toEqual(all)
      expect(revisions(await collect(nodes.store.read(stream, { direction: 'backwards' })))).toEqual(
        all.toReversed(),
      )
      expect(revisions(await collect(nodes.store.read(stream, { from: 7, limit: 1100 })))).toEqual(
        all.slice(7, 1107),
      )
    })

    test('may be left half-way', async () => {
      const stream = newStream()
      await nodes.store.append(stream, signals(stream, 700), 'no_stream')
      for await (const { revision } of nodes.store.read(stream)) if (revision === 510) break
      expect(await collect(nodes.store.read(stream, { limit: 1 }))).toHaveLength(1)
    })

    test('streams whose names begin alike are kept apart', async () => {
      const [stream, longer] = [newStream(), '']
      const other = `${stream}${longer}x`
      await nodes.store.append(stream, signals(stream, 2), 'no_stream')
      await nodes.store.append(other, signals(other, 1), 'no_stream')
      expect(await collect(nodes.store.read(stream))).toHaveLength(2)
      expect(await collect(nodes.store.read(other))).toHaveLength(1)
    })

    test.each(['with space', 'ünïcödé-😂', 'a/b?c#d%20e', 'quote\'"\\', 'session-', '1_2-3_4'])(
      'a stream may be named %j',
      async (name) => {
        const stream = `${name}${randomUUID()}`
        await nodes.store.append(stream, signals(stream, 1), 'no_stream')
        expect((await collect(nodes.store.read(stream)))[0]).toMatchObject({ stream, revision: 0 })
      },
    )
  })

  describe('heads', () => {
    test('tells revision and chain of each stream that exists', async () => {
      const [one, three, none] = [newStream(), newStream(), newStream()]
      const [a, b] = [signals(one, 1), signals(three, 3)]
      await nodes.store.append(one, a, 'no_stream')
      await nodes.store.append(three, b, 'no_stream')
      expect(await nodes.store.heads([one, none, three])).toEqual(
        new Map([
          [one, { revision: 0, chain: a[0]!.metadata.chain }],
          [three, { revision: 2, chain: b[2]!.metadata.chain }],
        ]),
      )
      expect(await nodes.store.heads([])).toEqual(new Map())
    })
  })

  describe('readAll and head', () => {
    test('the head is the position of the last event', async () => {
      const stream = newStream()
      const result = await nodes.store.append(stream, signals(stream, 2), 'no_stream')
      const head = await nodes.store.head()
      expect(result.ok && comparePositions(head, result.position)).toBeGreaterThanOrEqual(0)
    })

    test('gives the log in order of position, each stream in order of revision', async () => {
      const start = await nodes.store.head()
      const streams = Array.from({ length: 20 }, () => newStream())
      await Promise.all(
        streams.map(async (stream) => {
          await nodes.store.append(stream, signals(stream, 2), 'no_stream')
          await nodes.other.append(stream, signals(stream, 1), 1)
        }),
      )
      const stored = await readAllOf(nodes.store, { from: start })
      for (let i = 1; i < stored.length; i++)
        expect(comparePositions(stored[i]!.position, stored[i - 1]!.position)).toBeGreaterThan(0)
      const byStream = Map.groupBy(stored, ({ stream }) => stream)
      for (const stream of streams) expect(revisions(byStream.get(stream)!)).toEqual([0, 1, 2])
      const [event] = byStream.get(streams[0]!)!
      expect(event).toEqual((await collect(nodes.store.read(streams[0]!)))[0])
    })

    test('begins after the position given, from any event on', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      await store.append(stream, signals(stream, 5), 'no_stream')
      const stored = await readAllOf(store, { from, tenant })
      for (let i = 0; i < stored.length; i++)
        expect(ids(await readAllOf(store, { from: stored[i]!.position, tenant }))).toEqual(
          ids(stored.slice(i + 1)),
        )
    })

    test('filters by type, category and tenant, together too', async () => {
      const { store } = nodes
      const from = await store.head()
      const [ours, theirs] = [newTenant(), `${newTenant()}_%-é`]
      const streams = {
        session: newStream(ours),
        second: newStream(ours),
        flow: newStream(ours, 'flow'),
        foreign: newStream(theirs),
      }
      for (const stream of Object.values(streams)) {
        await store.append(stream, signals(stream, 2), 'no_stream')
        await store.append(stream, events(stream, [{}], 'no_stream', 'SessionCompleted'), 1)
      }
      const found = async (filter: object) =>
        (await readAllOf(store, { from, ...filter })).filter(({ stream }) =>
          Object.values(streams).includes(stream),
        )
      const seen = async (filter: object) =>
        (await found(filter)).map(({ stream, revision }) => [stream, revision])
      expect(await seen({ tenant: theirs })).toEqual([0, 1, 2].map((revision) => [streams.foreign, revision]))
      expect(await found({ tenant: ours })).toHaveLength(9)
      expect(await found({ types: ['SessionCompleted'] })).toHaveLength(4)
      expect(await found({ types: ['SessionCompleted', 'SignalTracked'] })).toHaveLength(12)
      expect(await found({ types: [] })).toEqual([])
      expect(await found({ categories: ['session'] })).toHaveLength(9)
      expect(await found({ categories: ['flow', 'session'] })).toHaveLength(12)
      expect(await seen({ categories: ['session'], tenant: ours, types: ['SessionCompleted'] })).toEqual([
        [streams.session, 2],
        [streams.second, 2],
      ])
      expect(await seen({ categories: ['flow'], tenant: theirs })).toEqual([])
    })

    test.each([
      { limit: 0 },
      { limit: 7 },
      { limit: 20 },
      { limit: 1000 },
      { pageSize: 3 },
      { limit: 10, pageSize: 4 },
      { limit: 10, pageSize: 5 },
    ])('%j keeps to its limit and page size', async (options) => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      await store.append(stream, signals(stream, 20), 'no_stream')
      const pages = await collect(store.readAll({ from, tenant, ...options }))
      const wanted = Math.min(20, options.limit ?? 20)
      expect(revisions(pages.flat())).toEqual(Array.from({ length: wanted }, (_, revision) => revision))
      for (const page of pages) {
        expect(page.length).toBeGreaterThan(0)
        expect(page.length).toBeLessThanOrEqual(options.pageSize ?? 500)
      }
    })

    test('goes up to what was there at the call, though the log grows meanwhile', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      await store.append(stream, signals(stream, 10), 'no_stream')
      let seen = 0
      for await (const page of store.readAll({ from, pageSize: 2, tenant })) {
        if (seen === 0) await store.append(stream, signals(stream, 10), 9)
        seen += page.length
      }
      expect(seen).toBe(10)
    })

    test('from the start of the log there is something', async () => {
      const stream = newStream()
      await nodes.store.append(stream, signals(stream, 1), 'no_stream')
      expect(await readAllOf(nodes.store, { limit: 1 })).toHaveLength(1)
      expect(await readAllOf(nodes.store, { from: START, limit: 1 })).toHaveLength(1)
    })
  })
}
