import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../src/domain/envelope.ts'
import { comparePositions } from '../../src/domain/position.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import type { Nodes } from './contract.ts'
import {
  collect,
  events,
  followerOf,
  ids,
  isCaughtUp,
  newStream,
  newTenant,
  readAllOf,
  revisions,
  signals,
} from './contractSupport.ts'

export function following(nodes: Nodes): void {
  describe('follow', () => {
    test('gives what is there, says that it has caught up, then what comes', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      await store.append(stream, signals(stream, 3), 'no_stream')
      const follower = followerOf(store, { from, tenant })
      await follower.until(isCaughtUp)
      expect(revisions(follower.events())).toEqual([0, 1, 2])
      await store.append(stream, signals(stream, 2), 2)
      await follower.until(({ events }) => events().length === 5)
      await follower.stop()
      expect(follower.events()).toEqual(await collect(store.read(stream)))
    })

    test('at the end of the log it has caught up at once', async () => {
      const from = await nodes.store.head()
      const follower = followerOf(nodes.store, { from, tenant: newTenant() })
      await follower.until(isCaughtUp)
      await follower.stop()
      const through = follower.seen.at(-1)!.through
      expect(comparePositions(through, from)).toBeGreaterThanOrEqual(0)
    })

    test('begins after any position given', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      await store.append(stream, signals(stream, 10), 'no_stream')
      const stored = await readAllOf(store, { from, tenant })
      const follower = followerOf(store, { from: stored[3]!.position, tenant })
      await follower.until(isCaughtUp)
      await follower.stop()
      expect(ids(follower.events())).toEqual(ids(stored.slice(4)))
    })

    test('sees what another node appends', async () => {
      const follower = followerOf(nodes.store, { from: await nodes.store.head() })
      await follower.until(isCaughtUp)
      const stream = newStream()
      const appended = await nodes.other.append(stream, signals(stream, 1), 'no_stream')
      await follower.until(({ events }) => events().some((event) => event.stream === stream))
      await follower.stop()
      expect(appended.ok && follower.events().some(({ position }) => position === appended.position)).toBe(
        true,
      )
    })

    test('joining while 16 writers append: each event once, in order, from the log and live', async () => {
      const { store, other } = nodes
      const from = await store.head()
      const streams = Array.from({ length: 16 }, () => newStream())
      const writing = Promise.all(streams.map((stream, n) => write(n % 2 === 0 ? store : other, stream, 60)))
      const early = followerOf(store, { from, pageSize: 50 })
      await delay(30)
      const late = followerOf(other, { from, pageSize: 50 })
      await writing
      for (const follower of [early, late]) {
        const ours = () => follower.events().filter(({ stream }) => streams.includes(stream))
        await follower.until(() => ours().length >= 16 * 60)
        await follower.stop()
        expectGrowing(follower.events())
        const byStream = Map.groupBy(ours(), ({ stream }) => stream)
        for (const stream of streams)
          expect(revisions(byStream.get(stream)!)).toEqual(Array.from({ length: 60 }, (_, n) => n))
      }
    })

    test('nobody ever sees an event before one with a lower position', async () => {
      const { store, other } = nodes
      const from = await store.head()
      const follower = followerOf(store, { from })
      await follower.until(isCaughtUp)
      const streams = Array.from({ length: 16 }, () => newStream())
      await Promise.all(streams.map((stream, n) => write(n % 2 === 0 ? store : other, stream, 30)))
      await follower.until(
        ({ events }) => events().filter(({ stream }) => streams.includes(stream)).length >= 480,
      )
      await follower.stop()
      expectGrowing(follower.events())
      const last = follower.events().at(-1)!.position
      const stored = (await readAllOf(store, { from })).filter(
        ({ position }) => comparePositions(position, last) <= 0,
      )
      expect(ids(follower.events())).toEqual(ids(stored))
    })

    test('leaves out what its filter does, and still tells how far it has looked', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      const follower = followerOf(store, {
        from,
        tenant,
        categories: ['session'],
        types: ['SessionCompleted'],
      })
      await follower.until(isCaughtUp)
      await store.append(stream, signals(stream, 3), 'no_stream')
      await store.append(stream, events(stream, [{}], 'no_stream', 'SessionCompleted'), 2)
      const passed = await store.append(stream, signals(stream, 2), 3)
      await follower.until(
        ({ seen }) => passed.ok && comparePositions(seen.at(-1)!.through, passed.position) >= 0,
      )
      await follower.stop()
      expect(revisions(follower.events())).toEqual([3])
    })

    test('through never goes back and is never behind the events given with it', async () => {
      const { store } = nodes
      const from = await store.head()
      const stream = newStream()
      const follower = followerOf(store, { from, pageSize: 7 })
      await write(store, stream, 50)
      await follower.until(({ events }) => events().filter((event) => event.stream === stream).length === 50)
      await follower.stop()
      let before = from
      for (const batch of follower.seen) {
        expect(comparePositions(batch.through, before)).toBeGreaterThanOrEqual(0)
        if (batch.kind === 'events') {
          expect(batch.events.length).toBeLessThanOrEqual(7)
          const last = batch.events.at(-1)
          if (last) expect(comparePositions(batch.through, last.position)).toBeGreaterThanOrEqual(0)
        }
        before = batch.through
      }
    })

    test('a slow follower misses nothing and catches up again', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const gate = Promise.withResolvers<void>()
      let held = false
      const follower = followerOf(store, { from, tenant, pageSize: 200 }, () =>
        held ? gate.promise : undefined,
      )
      await follower.until(isCaughtUp)
      held = true
      const streams = Array.from({ length: 60 }, () => newStream(tenant))
      await store.appendMany(
        streams.map((stream) => ({ stream, events: signals(stream, 100), expected: 'no_stream' })),
      )
      const quick = followerOf(store, { from, tenant })
      await quick.until(({ events }) => events().length === 6000)
      await quick.stop()
      held = false
      gate.resolve()
      await follower.until((seen) => seen.events().length === 6000 && isCaughtUp(seen))
      await follower.stop()
      expectGrowing(follower.events())
      const byStream = Map.groupBy(follower.events(), ({ stream }) => stream)
      for (const stream of streams)
        expect(revisions(byStream.get(stream)!)).toEqual(Array.from({ length: 100 }, (_, n) => n))
    })

    test('several follow the same log at their own pace', async () => {
      const { store } = nodes
      const [tenant, from] = [newTenant(), await store.head()]
      const stream = newStream(tenant)
      const followers = Array.from({ length: 5 }, (_, n) =>
        followerOf(store, { from, tenant, pageSize: 1 + n }, () => delay(n)),
      )
      await write(store, stream, 40)
      for (const follower of followers) {
        await follower.until(({ events }) => events().length === 40)
        await follower.stop()
        expect(revisions(follower.events())).toEqual(Array.from({ length: 40 }, (_, n) => n))
      }
    })

    test('ends when told, whether it waits or is busy, and can be left by the reader', async () => {
      const { store } = nodes
      const waits = followerOf(store, { from: await store.head(), tenant: newTenant() })
      await waits.until(isCaughtUp)
      await waits.stop()

      const aborted = AbortSignal.abort()
      expect(await collect(store.follow({ from: '0', signal: aborted }))).toEqual([])

      const stream = newStream()
      const from = await store.head()
      await store.append(stream, signals(stream, 5), 'no_stream')
      for await (const batch of store.follow({ from, pageSize: 2, signal: new AbortController().signal }))
        if (batch.kind === 'events') break
    })
  })
}

async function write(store: EventStore, stream: string, count: number): Promise<void> {
  await store.append(stream, signals(stream, 1), 'no_stream')
  for (let revision = 0; revision < count - 1; revision++)
    await store.append(stream, signals(stream, 1), revision)
}

function expectGrowing(stored: readonly StoredEvent[]): void {
  for (let i = 1; i < stored.length; i++)
    expect(comparePositions(stored[i]!.position, stored[i - 1]!.position)).toBeGreaterThan(0)
}
