import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { comparePositions } from '../../src/domain/position.ts'
import { type EventStore, EventStoreUnavailable } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { WRITE_LOCK } from '../../src/eventStore/postgresSchema.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/services/embeddedPostgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { type TcpProxy, tcpProxy } from '../support/tcpProxy.ts'
import {
  collect,
  followerOf,
  ids,
  isCaughtUp,
  newStream,
  readAllOf,
  revisions,
  signals,
} from './contractSupport.ts'

describe('when PostgreSQL is killed', () => {
  let dataDir: string
  let postgres: EmbeddedPostgres
  let store: EventStore
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'gangway-outage-'))
    await chmod(dataDir, 0o711)
    postgres = await startEmbeddedPostgres({ dataDir })
    store = await createPostgresEventStore({ connectionString: postgres.connectionString, deadline: 20_000 })
  })
  afterAll(async () => {
    await store.close()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
  })

  test('and comes back, every append is answered and written once, and followers miss nothing', async () => {
    const follower = followerOf(store, { from: await store.head() })
    await follower.until(isCaughtUp)
    const stop = Date.now() + 2500
    const acknowledged = new Map<string, string[]>()
    const writing = Array.from({ length: 24 }, async () => {
      const stream = newStream()
      const written: string[] = []
      acknowledged.set(stream, written)
      while (Date.now() < stop) {
        const expected = written.length === 0 ? 'no_stream' : written.length - 1
        const [event] = signals(stream, 1)
        expect(await store.append(stream, [event!], expected)).toMatchObject({
          ok: true,
          revision: written.length,
        })
        written.push(event!.id)
      }
    })
    let killed: number | undefined
    for (let kills = 0; kills < 2; kills++) {
      await delay(500)
      killed = await killPostmaster(join(dataDir, 'postgres/postmaster.pid'), killed)
    }
    await Promise.all(writing)
    const total = [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0)
    await follower.until(({ events }) => events().length >= total)
    await follower.stop()
    const stored = await readAllOf(store, {})
    expect(ids(follower.events())).toEqual(ids(stored))
    expect(stored).toHaveLength(total)
    for (const [stream, written] of acknowledged)
      expect(ids(await collect(store.read(stream)))).toEqual(written)
    for (let i = 1; i < stored.length; i++)
      expect(comparePositions(stored[i]!.position, stored[i - 1]!.position)).toBe(1)
  })
})

/** Kills the postmaster that the file names once it is another than `before`: a new one may still be on its way. */
async function killPostmaster(file: string, before: number | undefined): Promise<number> {
  for (;;) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
    if (pid > 0 && pid !== before) {
      process.kill(pid, 'SIGKILL')
      return pid
    }
    await delay(20)
  }
}

describe('when the network fails', () => {
  let database: TestDatabase
  let proxy: TcpProxy
  let store: EventStore
  beforeAll(async () => {
    database = await freshDatabase()
    const server = new URL(inject('postgres'))
    proxy = await tcpProxy({ host: server.hostname, port: Number(server.port) })
    const url = new URL(database.connectionString)
    url.port = String(proxy.port)
    store = await createPostgresEventStore({ connectionString: url.href, deadline: 2500 })
  })
  afterAll(async () => {
    proxy.heal()
    await store.close()
    await proxy.close()
    await database.drop()
  })

  test('connections that are cut are made again, and nothing is lost or doubled', async () => {
    const follower = followerOf(store, { from: await store.head() })
    await follower.until(isCaughtUp)
    const streams = Array.from({ length: 8 }, () => newStream())
    const cutting = (async () => {
      for (let cuts = 0; cuts < 8; cuts++) {
        await delay(100)
        proxy.cut()
      }
    })()
    await Promise.all(
      streams.map(async (stream) => {
        await store.append(stream, signals(stream, 1), 'no_stream')
        for (let revision = 0; revision < 25; revision++) {
          const outcome = await store.append(stream, signals(stream, 1), revision)
          expect(outcome).toMatchObject({ ok: true, revision: revision + 1 })
          await delay(25)
        }
      }),
    )
    await cutting
    await follower.until(({ events }) => events().length === 8 * 26)
    await follower.stop()
    const all = Array.from({ length: 26 }, (_, n) => n)
    for (const stream of streams) {
      expect(revisions(await collect(store.read(stream)))).toEqual(all)
      expect(revisions(follower.events().filter((event) => event.stream === stream))).toEqual(all)
    }
  })

  test('an answer that never comes: the append is sent again and written once', async () => {
    const stream = newStream()
    const [event] = signals(stream, 1)
    proxy.muteServer()
    const sent = store.append(stream, [event!], 'no_stream')
    await delay(200)
    proxy.heal()
    expect(await sent).toMatchObject({ ok: true, revision: 0 })
    expect(ids(await collect(store.read(stream)))).toEqual([event!.id])
  })

  test('silence past the deadline is EventStoreUnavailable, and the same append later tells the truth', async () => {
    const stream = newStream()
    const [event] = signals(stream, 1)
    proxy.stall()
    const started = performance.now()
    await expect(store.append(stream, [event!], 'no_stream')).rejects.toThrow(EventStoreUnavailable)
    await expect(store.head()).rejects.toThrow(EventStoreUnavailable)
    // Twice its deadline of 2.5 s, and not the 10 s that an append has unless told.
    expect(performance.now() - started).toBeLessThan(15_000)
    proxy.heal()
    expect(await store.append(stream, [event!], 'no_stream')).toMatchObject({ ok: true, revision: 0 })
    expect(await collect(store.read(stream))).toHaveLength(1)
  })

  test('an append that was given up while the log was locked is not written when the lock is free', async () => {
    const holder = new pg.Client({ connectionString: database.connectionString })
    await holder.connect()
    try {
      await store.append(newStream(), signals(newStream(), 1), 'no_stream')
      await holder.query(`select pg_advisory_lock(${WRITE_LOCK})`)
      const stream = newStream()
      await expect(store.append(stream, signals(stream, 1), 'no_stream')).rejects.toThrow(
        EventStoreUnavailable,
      )
      await delay(1500)
      await holder.query(`select pg_advisory_unlock(${WRITE_LOCK})`)
      // Whatever still waited for the lock has had it before this.
      await store.append(newStream(), signals(newStream(), 1), 'no_stream')
      expect(await collect(store.read(stream))).toEqual([])
    } finally {
      await holder.end()
    }
  })

  test('a follower of a silent connection hears again soon after it is back', async () => {
    const follower = followerOf(store, { from: await store.head() })
    await follower.until(isCaughtUp)
    proxy.stall()
    await delay(300)
    proxy.cut()
    proxy.heal()
    const stream = newStream()
    await store.append(stream, signals(stream, 1), 'no_stream')
    await follower.until(({ events }) => events().some((event) => event.stream === stream))
    await follower.stop()
  })
})
