import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { chainOf } from '../../src/eventStore/chain.ts'
import { checkpointFile } from '../../src/eventStore/checkpointFile.ts'
import { openCheckpointKey } from '../../src/eventStore/checkpointKey.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { type VerifyOptions, verifyLog } from '../../src/eventStore/verifyLog.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record, signal } from '../support/log.ts'

let database: TestDatabase
let store: EventStore
let admin: pg.Client
let folder: string

beforeAll(async () => {
  database = await freshDatabase()
  store = await createPostgresEventStore({ connectionString: database.connectionString })
  admin = new pg.Client({ connectionString: database.connectionString })
  await admin.connect()
})

beforeEach(async () => {
  await tamper('truncate log.events, log.streams restart identity', 'update log.counter set position = 0')
  folder = await mkdtemp(join(tmpdir(), 'gangway-audit-'))
  // Positions 1–3 s1, 4–5 s2, 6 other, 7 s1, 8 s3, 9 s2.
  await record(store, 'acme', 's1', [signal('a'), signal('b'), signal('c')])
  await record(store, 'acme', 's2', [signal('d'), signal('e')])
  await record(store, 'other', 's1', [signal('f')])
  await record(store, 'acme', 's1', [signal('g')])
  await record(store, 'acme', 's3', [signal('h')])
  await record(store, 'acme', 's2', [signal('i')])
})

afterEach(() => rm(folder, { recursive: true }))

afterAll(async () => {
  await store.close()
  await admin.end()
  await database.drop()
})

async function verify(options: VerifyOptions = {}) {
  const key = await openCheckpointKey(folder)
  const now = () => new Date().toISOString()
  return verifyLog({ store, file: checkpointFile(folder), key, now }, options)
}

/** Changes the database as whoever owns it can. */
async function tamper(...statements: string[]) {
  await admin.query('alter table log.events disable trigger all')
  for (const statement of statements) await admin.query(statement)
  await admin.query('alter table log.events enable trigger all')
}

const streamId = (name: string) => `(select id from log.streams where name = '${name}')`

describe('an untouched log', () => {
  test('is verified, counted and signed, for the whole log and for one tenant', async () => {
    const all = await verify()
    expect(all).toMatchObject({ ok: true, events: 9, streams: 4, faults: [] })
    expect(all.checkpoints.map(({ tenant, count, position }) => [tenant, count, position])).toEqual([
      ['acme', 8, '9'],
      ['other', 1, '6'],
    ])
    const one = await verify({ tenant: 'acme' })
    expect(one).toMatchObject({
      ok: true,
      events: 8,
      streams: 3,
      checkpoint: { tenant: 'acme', position: '9' },
    })
    await record(store, 'acme', 's1', [signal('later')])
    expect(await verify()).toMatchObject({ ok: true, events: 10 })
    expect(await verify({ tenant: 'nobody' })).toMatchObject({ ok: true, events: 0, checkpoint: null })
  })

  test('adds a line to the file only when there is something new', async () => {
    await verify()
    await verify()
    await verify({ tenant: 'acme' })
    const lines = (await readFile(join(folder, 'checkpoints.ndjson'), 'utf8')).split('\n').filter(Boolean)
    expect(lines).toHaveLength(1)
  })
})

describe('an event that was changed is found', () => {
  const changes: [string, string, object][] = [
    [
      'its data',
      `update log.events set data = '{"signal":"a","value":2}' where position = 1`,
      { revision: 0 },
    ],
    ['its type', `update log.events set type = 'StepStarted' where position = 2`, { revision: 1 }],
    ['its id', `update log.events set id = gen_random_uuid() where position = 2`, { revision: 1 }],
    [
      'when it happened',
      `update log.events set metadata = jsonb_set(metadata::jsonb, '{occurredAt}', '"2020-01-01T00:00:00.000Z"')::json where position = 3`,
      { revision: 2 },
    ],
    [
      'who did it',
      `update log.events set metadata = jsonb_set(metadata::jsonb, '{actor,id}', '"somebody"')::json where position = 3`,
      { revision: 2 },
    ],
    [
      'its chain',
      `update log.events set chain = decode(repeat('00', 32), 'hex') where position = 7`,
      { revision: 3 },
    ],
  ]
  test.each(changes)('by %s', async (_, statement, place) => {
    await tamper(statement)
    const report = await verify()
    expect(report).toMatchObject({
      ok: false,
      firstFault: { problem: 'changed', tenant: 'acme', stream: 'session-acme_s1', ...place },
    })
    expect((await verify({ tenant: 'acme' })).firstFault).toEqual(report.firstFault)
    expect(await verify({ tenant: 'other' })).toMatchObject({ ok: true })
  })

  test('by the time it was written, against the checkpoint', async () => {
    await verify()
    await tamper(`update log.events set recorded_at = recorded_at - interval '1 year' where position = 4`)
    expect((await verify()).firstFault).toMatchObject({
      problem: 'differs_from_checkpoint',
      tenant: 'acme',
      detail: expect.stringContaining('times they were written'),
    })
  })

  test('by rewriting it and every chain after it, against the checkpoint', async () => {
    await verify()
    const rewritten: string[] = []
    let chain: string | undefined
    for await (const event of store.read('session-acme_s1')) {
      const data = event.revision === 1 ? { signal: 'b', value: 1000 } : event.data
      chain = chainOf(chain, { ...event, data })
      rewritten.push(
        `update log.events set data = '${JSON.stringify(data)}', chain = decode('${chain}', 'hex') where position = ${event.position}`,
      )
    }
    await tamper(...rewritten)
    expect((await verify()).firstFault).toMatchObject({
      problem: 'changed',
      tenant: 'acme',
      stream: 'session-acme_s1',
      revision: 3,
      position: '7',
    })
    expect(await verify({ tenant: 'acme' })).toMatchObject({ ok: false })
  })

  test('and the first of several is named', async () => {
    await tamper(
      `update log.events set data = '{"signal":"x"}' where position = 8`,
      `update log.events set data = '{"signal":"x"}' where position = 5`,
    )
    const report = await verify()
    expect(report.firstFault).toMatchObject({ stream: 'session-acme_s2', revision: 1, position: '5' })
    expect(report.faults).toHaveLength(2)
  })
})

describe('a removed event is found', () => {
  test('in the middle of a stream, with the position where it was', async () => {
    await tamper('delete from log.events where position = 2')
    expect((await verify()).firstFault).toMatchObject({
      problem: 'removed',
      stream: 'session-acme_s1',
      revision: 1,
      position: '2',
    })
    expect((await verify({ tenant: 'acme' })).firstFault).toMatchObject({ problem: 'removed', revision: 1 })
  })

  test('in the middle of a stream, although everything after it was numbered and chained anew', async () => {
    await verify()
    const statements = ['delete from log.events where position = 2']
    let chain: string | undefined
    let revision = 0
    for await (const event of store.read('session-acme_s1')) {
      if (event.position === '2') continue
      chain = chainOf(chain, { ...event, revision })
      statements.push(
        `update log.events set revision = ${revision}, chain = decode('${chain}', 'hex') where position = ${event.position}`,
      )
      revision += 1
    }
    for (let position = 3; position <= 9; position++)
      statements.push(`update log.events set position = ${position - 1} where position = ${position}`)
    statements.push('update log.counter set position = 8')
    await tamper(...statements)
    expect((await verify()).firstFault).toMatchObject({
      problem: 'removed',
      stream: 'session-acme_s1',
      revision: 3,
    })
  })

  test('at the end of a stream, against the checkpoint', async () => {
    await verify()
    await tamper('delete from log.events where position = 7')
    const fault = { problem: 'removed', tenant: 'acme', stream: 'session-acme_s1', revision: 3 }
    expect((await verify()).firstFault).toMatchObject({ ...fault, position: '7' })
    expect((await verify({ tenant: 'acme' })).firstFault).toMatchObject({ ...fault, after: '3' })
  })

  test('when a whole stream is gone', async () => {
    await verify()
    await tamper(`delete from log.events where stream = ${streamId('session-acme_s3')}`)
    const fault = { problem: 'removed', tenant: 'acme', stream: 'session-acme_s3', revision: 0 }
    expect((await verify()).firstFault).toMatchObject({ ...fault, position: '8' })
    expect((await verify({ tenant: 'acme' })).firstFault).toMatchObject(fault)
  })

  test('when a tenant is gone', async () => {
    await verify()
    await tamper(`delete from log.events where stream = ${streamId('session-other_s1')}`)
    expect((await verify({ tenant: 'other' })).firstFault).toMatchObject({
      problem: 'removed',
      stream: 'session-other_s1',
    })
  })

  test('at the end of the log, even without a checkpoint', async () => {
    await tamper('delete from log.events where position = 9')
    expect((await verify()).firstFault).toMatchObject({ problem: 'removed', position: '9' })
  })

  test('at the end of the log, when the log was made to end there', async () => {
    await verify()
    await tamper('delete from log.events where position >= 8', 'update log.counter set position = 7')
    const report = await verify()
    expect(report.firstFault).toMatchObject({ problem: 'removed', stream: 'session-acme_s3', revision: 0 })
  })
})

describe('another order is found', () => {
  test('of two events of a stream', async () => {
    await tamper(
      'update log.events set position = 100 where position = 2',
      'update log.events set position = 2 where position = 3',
      'update log.events set position = 3 where position = 100',
    )
    expect((await verify()).firstFault).toMatchObject({
      problem: 'reordered',
      stream: 'session-acme_s1',
      revision: 1,
    })
  })

  test('of two revisions', async () => {
    await tamper(
      'update log.events set revision = 100 where position = 2',
      'update log.events set revision = 1 where position = 3',
      'update log.events set revision = 2 where position = 2',
    )
    expect((await verify()).firstFault).toMatchObject({ stream: 'session-acme_s1' })
  })

  test('of events of different streams, against the checkpoint', async () => {
    await verify()
    await tamper(
      'update log.events set position = 100 where position = 7',
      'update log.events set position = 7 where position = 8',
      'update log.events set position = 8 where position = 100',
    )
    expect((await verify()).firstFault).toMatchObject({
      problem: 'differs_from_checkpoint',
      tenant: 'acme',
      detail: expect.stringContaining('order'),
    })
  })
})

describe('an inserted event is found', () => {
  const insert = (position: number, stream: string, revision: number, chain: string) =>
    `insert into log.events select ${position}, ${streamId(stream)}, ${revision}, gen_random_uuid(), recorded_at,
       decode('${chain}', 'hex'), type, data, metadata from log.events where position = 1`

  test('at the end of a stream, its chain not being known', async () => {
    await tamper(insert(10, 'session-acme_s1', 4, '00'.repeat(32)), 'update log.counter set position = 10')
    expect((await verify()).firstFault).toMatchObject({
      problem: 'changed',
      stream: 'session-acme_s1',
      revision: 4,
      position: '10',
    })
  })

  test('among positions that were signed, all chains being right', async () => {
    await verify()
    await admin.query("insert into log.streams (name) values ('session-acme_s9')")
    const statements: string[] = []
    for (let position = 9; position >= 5; position--)
      statements.push(`update log.events set position = ${position + 1} where position = ${position}`)
    statements.push(insert(5, 'session-acme_s9', 0, '00'.repeat(32)), 'update log.counter set position = 10')
    await tamper(...statements)
    for await (const event of store.read('session-acme_s9'))
      await tamper(
        `update log.events set chain = decode('${chainOf(undefined, event)}', 'hex') where position = 5`,
      )
    expect((await verify()).firstFault).toMatchObject({ problem: 'inserted', stream: 'session-acme_s9' })
  })

  test('when an event stands in its stream twice', async () => {
    for await (const event of store.read('session-acme_s3')) {
      const chain = chainOf(event.metadata.chain, { ...event, revision: 1 })
      await tamper(
        `insert into log.events select 10, stream, 1, id, recorded_at, decode('${chain}', 'hex'), type, data, metadata
           from log.events where position = 8`,
        'update log.counter set position = 10',
      )
    }
    expect((await verify()).firstFault).toMatchObject({
      problem: 'repeated_id',
      stream: 'session-acme_s3',
      revision: 1,
      position: '10',
    })
  })
})

describe('the checkpoint file', () => {
  test('is not believed when somebody wrote to it', async () => {
    await verify()
    const file = join(folder, 'checkpoints.ndjson')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('"count":8', '"count":7'))
    expect((await verify()).firstFault).toMatchObject({ problem: 'forged_checkpoint', tenant: 'acme' })
  })

  test('is still good after a crash tore its last line', async () => {
    await verify()
    const file = join(folder, 'checkpoints.ndjson')
    const text = await readFile(file, 'utf8')
    await writeFile(file, `${text}${text.slice(0, 80)}`)
    await record(store, 'acme', 's1', [signal('later')])
    expect(await verify()).toMatchObject({ ok: true, checkpoint: { count: 1 } })
    await tamper('delete from log.events where position = 10', 'update log.counter set position = 9')
    expect((await verify()).firstFault).toMatchObject({ problem: 'removed', revision: 4 })
  })
})
