import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Audit, openAudit } from '../../src/eventStore/audit.ts'
import { extendDigest, isSignedBy, noEvents } from '../../src/eventStore/checkpoint.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { type CheckpointWriterOptions, startCheckpoints } from '../../src/reactions/checkpoints.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record, signal } from '../support/log.ts'

let database: TestDatabase
let store: EventStore
let folder: string
let audit: Audit

beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore({ connectionString: database.connectionString })
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gangway-checkpoints-'))
  audit = await openAudit({ store, dataDir: folder, now: () => new Date() })
})
afterEach(() => rm(folder, { recursive: true }))
afterAll(async () => {
  await store.close()
  await database.drop()
})

const write = (options: Partial<CheckpointWriterOptions> = {}) =>
  startCheckpoints({ ...audit, onError: console.error, quietMs: 30, ...options })
const latest = async (tenant: string) => (await audit.file.latest()).byTenant.get(tenant)
const lines = async () => {
  const text = await readFile(join(folder, 'audit', 'checkpoints.ndjson'), 'utf8').catch(() => '')
  return text.split('\n').filter(Boolean).length
}

/** That the tenant's latest checkpoint is of its first events, and signed. */
async function expectTrue(tenant: string) {
  const checkpoint = (await latest(tenant))!
  let digest = noEvents
  for await (const page of store.readAll({ tenant, limit: checkpoint.count }))
    for (const event of page) digest = extendDigest(digest, event)
  expect(checkpoint).toMatchObject(digest)
  expect(isSignedBy(audit.key, checkpoint)).toBe(true)
}
const counted = (tenant: string) =>
  expect.poll(async () => (await latest(tenant))?.count ?? 0, { timeout: 10_000 })

test('once it is quiet every tenant’s events are covered, and nothing is written while nothing happens', async () => {
  await record(store, 'a', 's1', [signal('x'), signal('y')])
  await record(store, 'b', 's1', [signal('x')])
  const writer = write()
  await counted('a').toBe(2)
  await counted('b').toBe(1)
  await expectTrue('a')
  await expectTrue('b')
  await record(store, 'a', 's1', [signal('z')])
  await counted('a').toBe(3)
  await expectTrue('a')
  const written = await lines()
  await new Promise((done) => setTimeout(done, 150))
  await writer.stop()
  expect(await lines()).toBe(written)
})

test('in a long stream of events they are covered before it ends', async () => {
  const writer = write({ quietMs: 60_000, mostEvents: 20 })
  for (let i = 0; i < 12; i++) await record(store, 'c', 's1', Array(5).fill(signal('x')))
  await counted('c').toBeGreaterThanOrEqual(40)
  await expectTrue('c')
  await writer.stop()
  await expectTrue('c')
})

test('stopping covers what was seen, and starting goes on from there', async () => {
  await record(store, 'd', 's1', [signal('x')])
  for (let tries = 0; !(await latest('d')) && tries < 50; tries++) {
    const first = write({ quietMs: 60_000 })
    await new Promise((done) => setTimeout(done, 100))
    expect(await latest('d')).toBeUndefined()
    await first.stop()
  }
  await expectTrue('d')
  await record(store, 'd', 's2', [signal('y')])
  const second = write()
  await counted('d').toBe(2)
  await expectTrue('d')
  await second.stop()
})

test('two processes on one folder agree', async () => {
  const writers = [write(), write()]
  for (let i = 0; i < 5; i++) {
    await record(store, 'e', 's1', [signal('x')])
    await new Promise((done) => setTimeout(done, 40))
  }
  await counted('e').toBe(5)
  await Promise.all(writers.map((writer) => writer.stop()))
  await expectTrue('e')
  expect(await audit.verify({ tenant: 'e' })).toMatchObject({ ok: true, events: 5 })
})

test('what was cut off while nobody watched is found, although signing went on', async () => {
  await record(store, 'f', 's1', [signal('x'), signal('y')])
  await record(store, 'f', 's2', [signal('z')])
  const before = write()
  await counted('f').toBe(3)
  await before.stop()
  const admin = new pg.Client({ connectionString: database.connectionString })
  await admin.connect()
  await admin.query('alter table log.events disable trigger all')
  await admin.query(
    `delete from log.events where revision = 1 and stream = (select id from log.streams where name = 'session-f_s1')`,
  )
  await admin.query('alter table log.events enable trigger all')
  await admin.end()
  const after = write()
  await record(store, 'f', 's3', [signal('later')])
  await counted('f').toBe(4)
  await after.stop()
  expect(await audit.verify({ tenant: 'f' })).toMatchObject({
    ok: false,
    firstFault: { problem: 'removed', stream: 'session-f_s1', revision: 1 },
  })
})

test('the key is for its owner’s eyes, and stays', async () => {
  const again = await openAudit({ store, dataDir: folder, now: () => new Date() })
  expect(again.key.id).toBe(audit.key.id)
  expect((await stat(join(folder, 'audit', 'key.pem'))).mode & 0o777).toBe(0o600)
  const together = await mkdtemp(join(tmpdir(), 'gangway-keys-'))
  const opened = await Promise.all(
    Array.from({ length: 5 }, () => openAudit({ store, dataDir: together, now: () => new Date() })),
  )
  expect(new Set(opened.map(({ key }) => key.id)).size).toBe(1)
  await rm(together, { recursive: true })
})
