import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildApp } from '../../src/api/app.ts'
import { type AuditDependencies, auditRoutes } from '../../src/api/auditRoutes.ts'
import { createTokenVerifier } from '../../src/api/auth.ts'
import { createFlows } from '../../src/commands/flows.ts'
import { parseReplayPoint } from '../../src/commands/replaySession.ts'
import { streamName } from '../../src/domain/stream.ts'
import { openAudit } from '../../src/eventStore/audit.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { createMetrics } from '../../src/services/metrics.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { SECRET, token } from '../support/liveNode.ts'
import { record, recordIn, signal } from '../support/log.ts'

let database: TestDatabase
let store: EventStore
let app: Awaited<ReturnType<typeof buildApp>>
let url: string
let folder: string
let auditor: string

const definition = {
  id: 'welcome',
  title: 'Welcome',
  steps: [
    { id: 'first', title: 'First', kind: 'form' },
    { id: 'second', title: 'Second', kind: 'form' },
  ],
}
const started = {
  type: 'SessionStarted',
  data: { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {} },
}
const completed = (stepId: string) => ({ type: 'StepCompleted', data: { stepId, data: { of: stepId } } })

beforeAll(async () => {
  database = await freshDatabase()
  folder = await mkdtemp(join(tmpdir(), 'gangway-audit-'))
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'fatal' })
  store = await createPostgresEventStore({ connectionString: database.connectionString })
  const now = () => new Date()
  const deps = {
    config: {},
    store,
    flows: createFlows(store),
    verifyToken: createTokenVerifier({ jwtSecret: SECRET }),
    logger,
    metrics: createMetrics(),
    now,
    audit: await openAudit({ store, dataDir: folder, now }),
  } as unknown as AuditDependencies
  app = await buildApp(deps)
  await app.register(auditRoutes(deps))
  await app.listen({ port: 0, host: '127.0.0.1' })
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  auditor = await token('max', 'acme', ['auditor'])

  const published = { type: 'FlowPublished', data: { flowId: 'welcome', version: 1, definition } }
  await recordIn(store, 'acme', streamName('flow', 'acme', 'welcome'), [published])
  await record(store, 'acme', 's1', [started], '2026-01-01T00:00:00.000Z')
  await record(store, 'acme', 's1', [completed('first')], '2026-01-02T00:00:00.000Z')
  await record(store, 'other', 's1', [signal('theirs')])
  await record(store, 'acme', 's1', [completed('second')], '2026-01-03T00:00:00.000Z')
  await record(store, 'acme', 's1', [{ type: 'SessionCompleted', data: {} }], '2026-01-04T00:00:00.000Z')
  await record(store, 'acme', 's2', [started, ...Array.from({ length: 240 }, (_, i) => signal(`n${i}`))])
})

afterAll(async () => {
  await app.close()
  await store.close()
  await database.drop()
  await rm(folder, { recursive: true })
})

type Answer = { status: number; body: any }

async function get(path: string, by = auditor): Promise<Answer> {
  const answer = await fetch(`${url}/audit/${path}`, { headers: { authorization: `Bearer ${by}` } })
  return { status: answer.status, body: await answer.json() }
}

async function lines(path: string) {
  const headers = { authorization: `Bearer ${auditor}`, accept: 'application/x-ndjson' }
  const answer = await fetch(`${url}/audit/${path}`, { headers })
  expect(answer.headers.get('content-type')).toContain('application/x-ndjson')
  return (await answer.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function stored(tenant: string) {
  const events = []
  for await (const page of store.readAll({ tenant })) events.push(...page)
  return events
}

describe('the events of a tenant', () => {
  test('come as stored, page by page, each once and in order', async () => {
    const seen: unknown[] = []
    let cursor = ''
    for (let pages = 0; ; pages++) {
      const { body } = await get(`events?limit=100${cursor}`)
      seen.push(...body.data)
      if (body.nextCursor === null) break
      expect(body.data).toHaveLength(100)
      expect(pages).toBeLessThan(3)
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(seen).toEqual(await stored('acme'))
  })

  test('come as lines to the end of the log', async () => {
    expect(await lines('events')).toEqual(await stored('acme'))
    expect(await lines('events?from=3')).toEqual(
      (await stored('acme')).filter(({ position }) => Number(position) > 3),
    )
    expect(await lines('streams/session-acme_s1')).toHaveLength(4)
  })

  test('have all come to pass that a command was answered with, or it is said that they have not', async () => {
    const head = await store.head()
    for (const path of ['events', 'streams/session-acme_s1', 'sessions/s1', 'verify'])
      expect([path, (await get(`${path}?after=${head}`)).status]).toEqual([path, 200])
    const ahead = await get(`events?after=${BigInt(head) + 7n}`)
    expect(ahead).toMatchObject({ status: 503, body: { code: 'read_model_behind', lag: '7' } })
  }, 20_000)

  test('are found by type, stream, correlation and position', async () => {
    const types = async (query: string) =>
      (await get(`events?${query}`)).body.data.map(({ type }: { type: string }) => type)
    expect(await types('type=StepCompleted')).toEqual(['StepCompleted', 'StepCompleted'])
    expect(await types('stream=session-acme_s1&type=StepCompleted&from=3')).toEqual(['StepCompleted'])
    expect(await types('stream=session-other_s1')).toEqual([])
    expect(await types('type=Nothing')).toEqual([])
    const [, second] = (await get('events?limit=2')).body.data
    expect(await types(`correlationId=${second.metadata.$correlationId}`)).toEqual(['SessionStarted'])
    const page = (await get('events?stream=session-acme_s1&limit=3')).body
    expect(page).toMatchObject({ nextCursor: '5' })
    expect(await types(`stream=session-acme_s1&cursor=${page.nextCursor}`)).toEqual(['SessionCompleted'])
  })

  test('are the tenant’s own, for auditors and admins only', async () => {
    const stranger = await token('max', 'other', ['auditor'])
    expect((await get('events', stranger)).body.data).toEqual(await stored('other'))
    expect((await get('streams/session-acme_s1', stranger)).status).toBe(404)
    expect((await get('sessions/s2', stranger)).status).toBe(404)
    expect((await get('events', await token('a', 'acme', ['admin']))).status).toBe(200)
    for (const role of ['participant', 'member', 'analyst'])
      for (const path of ['events', 'streams/session-acme_s1', 'sessions/s1', 'verify'])
        expect((await get(path, await token('a', 'acme', [role]))).status).toBe(403)
  })

  test.each(['from=-1', 'from=x', 'limit=0', 'limit=101', 'cursor=x', 'nonsense=1'])(
    'are not asked for by %s',
    async (query) => {
      expect((await get(`events?${query}`)).status).toBe(422)
    },
  )
})

describe('a stream', () => {
  test('comes as stored, page by page', async () => {
    const first = (await get('streams/session-acme_s2?limit=100')).body
    const second = (await get(`streams/session-acme_s2?limit=100&cursor=${first.nextCursor}`)).body
    const third = (await get(`streams/session-acme_s2?limit=100&cursor=${second.nextCursor}`)).body
    expect([...first.data, ...second.data, ...third.data].map(({ revision }) => revision)).toEqual(
      Array.from({ length: 241 }, (_, i) => i),
    )
    expect(third.nextCursor).toBeNull()
  })

  test('of the longest id there may be is found', async () => {
    const id = 'é'.repeat(200)
    await record(store, 'third', id, [signal('x')])
    const path = `streams/${encodeURIComponent(streamName('session', 'third', id))}`
    expect((await get(path, await token('max', 'third', ['auditor']))).body.data).toHaveLength(1)
  })

  test('that is unknown, or no stream at all, is 404', async () => {
    for (const stream of ['session-acme_none', 'session-acme', 'x', '$all', 'session-acme_'])
      expect((await get(`streams/${encodeURIComponent(stream)}`)).status).toBe(404)
  })
})

describe('a session is shown as it was', () => {
  test('at a revision, inclusive, beside the events that made it', async () => {
    const at = async (point: string) => (await get(`sessions/s1?at=${point}`)).body
    expect(await at('0')).toMatchObject({
      session: { status: 'active', progress: 0, revision: 0 },
      events: [{ revision: 0 }],
    })
    const middle = await at('1')
    expect(middle.session).toMatchObject({ progress: 50, completedSteps: ['first'], currentStep: 'second' })
    expect(middle.events).toEqual(
      (await stored('acme')).filter(({ stream }) => stream === 'session-acme_s1').slice(0, 2),
    )
    expect((await at('999')).session).toMatchObject({ status: 'completed', progress: 100, revision: 3 })
  })

  test('at a time of what happened, inclusive', async () => {
    const at = async (point: string) => (await get(`sessions/s1?at=${encodeURIComponent(point)}`)).body
    expect((await at('2026-01-02T00:00:00.000Z')).session.completedSteps).toEqual(['first'])
    expect((await at('2026-01-01T23:59:59.999Z')).session.completedSteps).toEqual([])
    expect((await at('2026-01-02T01:00:00+01:00')).session.completedSteps).toEqual(['first'])
    expect((await at('2026-01-03')).session.completedSteps).toEqual(['first', 'second'])
    expect((await get('sessions/s1?at=2025-12-31')).status).toBe(404)
  })

  test('as it is now without a point', async () => {
    const { session, events } = (await get('sessions/s1')).body
    expect([session.status, events.length]).toEqual(['completed', 4])
    expect((await get('sessions/none')).status).toBe(404)
  })

  test.each(['-1', '1.5', 'now', '2026-13-01', '2026-01-01T00:00:00', '99999999999'])(
    'and %s is no point',
    async (at) => {
      expect(parseReplayPoint(at)).toBeUndefined()
      expect((await get(`sessions/s1?at=${encodeURIComponent(at)}`)).status).toBe(422)
    },
  )
})

describe('verification', () => {
  test('answers for the tenant, with a signed checkpoint', async () => {
    const { body } = await get('verify')
    expect(body).toMatchObject({
      ok: true,
      events: 246,
      streams: 3,
      checkpoint: { tenant: 'acme', count: 246 },
    })
    expect(body.publicKey).toContain('BEGIN PUBLIC KEY')
    expect(body.checkpoint.position).toBe((await stored('acme')).at(-1)!.position)
  })

  test('names the first fault', async () => {
    const admin = new pg.Client({ connectionString: database.connectionString })
    await admin.connect()
    await admin.query('alter table log.events disable trigger all')
    await admin.query(
      `update log.events set data = '{"stepId":"first","data":{"of":"nothing"}}' where position = 3`,
    )
    expect((await get('verify')).body).toMatchObject({
      ok: false,
      firstFault: { problem: 'changed', stream: 'session-acme_s1', revision: 1, position: '3' },
    })
    expect((await get('verify', await token('max', 'other', ['auditor']))).body).toMatchObject({
      ok: true,
      events: 1,
    })
    await admin.end()
  })
})
