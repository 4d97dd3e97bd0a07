import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unitHash } from '../../src/domain/experimentAssignment.ts'
import type { Client } from '../support/client.ts'
import { done, hour, importHistory, publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'

const FLOW = 'trial'

let service: TestService
let admin: Client
let analyst: Client
let member: Client
let db: pg.Client

beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('acme', 'root', 'admin')
  analyst = await service.as('acme', 'ann', 'analyst')
  member = await service.as('acme', 'mia', 'member')
  db = new pg.Client({ connectionString: service.connectionString })
  await db.connect()
  await publish(admin, FLOW, ['a', 'b', 'c'])
})
afterAll(async () => {
  await db?.end()
  await service?.stop()
})

const metric = {
  key: 'done',
  type: 'conversion',
  filter: { step: 'c' },
  direction: 'increase',
  role: 'primary',
}
const two = [
  { key: 'control', weight: 1 },
  { key: 'treatment', weight: 1 },
]
const definition = (key: string, more: object = {}) => ({
  key,
  unit: 'user',
  variants: two,
  metrics: [metric],
  ...more,
})
const define = async (key: string, more: object = {}) => {
  const answer = await admin.post('/experiments', definition(key, more))
  expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ key, status: 'draft' })])
  return answer
}
const running = async (key: string, more: object = {}) => {
  await define(key, more)
  const answer = await admin.post(`/experiments/${key}/start`)
  expect([answer.status, answer.body.status]).toEqual([200, 'running'])
  return answer.headers.get('gangway-position')!
}
const assign = async (key: string, body: object, by = member) => {
  const answer = await by.post(`/experiments/${key}/assign`, body)
  expect([answer.status, answer.body]).toEqual([200, expect.any(Object)])
  return answer.body
}
const results = async (key: string, after?: string) => {
  const { status, body } = await analyst.get(`/experiments/${key}/results${after ? `?after=${after}` : ''}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body
}

type Json = any

test('an experiment that ran elsewhere keeps its name, and names are told apart whatever is in them', async () => {
  const key = 'Café “gate” / 30'
  await define(key, { metrics: [{ ...metric, key: 'étape c' }] })
  expect(await results(encodeURIComponent(key))).toMatchObject({ key, metrics: [{ key: 'étape c' }] })

  await running('n')
  await running('n:user:x')
  await assign('n', { userId: 'x:user:y' })
  const { headers } = await member.post('/experiments/n:user:x/assign', { userId: 'y' })
  const after = headers.get('gangway-position')!
  for (const one of ['n', 'n:user:x']) expect((await results(one, after)).assigned).toBe(1)
})

describe('an experiment', () => {
  test('is drafted, replaced, started, stopped, read and listed', async () => {
    const drafted = await define('life')
    expect(drafted.headers.get('etag')).toBe('"0"')
    await define('life', { alpha: 0.1 })
    expect((await admin.post('/experiments/life/stop')).body.code).toBe('experiment_not_running')
    await admin.post('/experiments/life/start')
    const again = await admin.post('/experiments/life/start', {})
    expect([again.status, again.body.revision]).toEqual([200, 2])
    const changed = await admin.post('/experiments', definition('life'))
    expect([changed.status, changed.body.code]).toEqual([409, 'experiment_running'])
    const stopped = await admin.post('/experiments/life/stop', { reason: 'enough' })
    expect([stopped.status, stopped.body.status]).toEqual([200, 'stopped'])
    expect((await admin.post('/experiments/life/start')).body.code).toBe('experiment_stopped')
    expect((await admin.post('/experiments', definition('life'))).status).toBe(409)
    const read = await analyst.get('/experiments/life')
    expect(read.body).toMatchObject({ key: 'life', status: 'stopped', definition: { alpha: 0.1 } })
    const list = await analyst.get(
      `/experiments?status=stopped&after=${stopped.headers.get('gangway-position')}`,
    )
    expect(list.body.data).toEqual([expect.objectContaining({ key: 'life', status: 'stopped' })])
  })

  test('is the admin’s to define, and nothing to others', async () => {
    for (const client of [analyst, member]) {
      expect((await client.post('/experiments', definition('no'))).status).toBe(403)
      expect((await client.post('/experiments/no/start')).status).toBe(403)
    }
    expect((await member.get('/experiments')).status).toBe(403)
    for (const path of ['', '/results'])
      expect((await analyst.get(`/experiments/none${path}`)).status).toBe(404)
    expect((await admin.post('/experiments/none/start')).status).toBe(404)
    expect((await member.post('/experiments/none/assign', { userId: 'u' })).status).toBe(404)
    const elsewhere = await service.as('other', 'root', 'admin')
    expect((await elsewhere.get('/experiments/life')).status).toBe(404)
  })

  test('tells all of its faults with pointers', async () => {
    const bad = await admin.post('/experiments', {
      ...definition('bad', { flowId: FLOW, targeting: 'attributes.x ==' }),
      variants: [
        { key: 'a', weight: 1, overrides: { steps: { a: { kind: 'nonsense' }, nowhere: { title: 'x' } } } },
        { key: 'b', weight: 1, overrides: { steps: { a: { kind: 'nonsense', colour: 'red' } } } },
        { key: 'b', weight: 1, overrides: { steps: { a: { dependsOn: ['b'] }, b: { dependsOn: ['a'] } } } },
      ],
      metrics: [
        { ...metric, filter: { step: 'c', where: 'properties.x +' } },
        { ...metric, key: 'r', type: 'ratio', filter: { event: 'Nothing' } },
      ],
    })
    expect([bad.status, bad.body.code]).toEqual([422, 'experiment_invalid'])
    expect(bad.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(
      [
        '/metrics/0/filter/where',
        '/metrics/1/denominator',
        '/metrics/1/filter/event',
        '/targeting',
        '/variants/0/overrides/steps/nowhere',
        '/variants/1/overrides/steps/a/colour',
        '/variants/1/overrides/steps/a/kind',
        '/variants/2/key',
        '/variants/2/overrides/steps/a/dependsOn/0',
        '/variants/2/overrides/steps/b/dependsOn/0',
      ].sort(),
    )
    const shapes = [{}, { ...definition('x'), unit: 'team' }, { ...definition('x'), flowId: null }, []]
    for (const body of shapes) expect((await admin.post('/experiments', body)).status).toBe(422)
    expect((await admin.post('/experiments', definition('x', { flowId: 'none' }))).status).toBe(404)
  })
})

describe('assignment', () => {
  test('agrees with the hash, is recorded once and outlives the experiment', async () => {
    await running('sticky')
    const hash = unitHash('sticky', 'u1')
    const first = await assign('sticky', { userId: 'u1' })
    expect(first).toEqual({
      experiment: 'sticky',
      variant: hash < 0.5 ? 'control' : 'treatment',
      inExperiment: true,
      hash,
    })
    expect(await assign('sticky', { userId: 'u1', attributes: { any: 1 } })).toEqual(first)
    const recorded = await admin.get('/audit/streams/assignment-acme_sticky:user:u1')
    expect(recorded.body.data).toHaveLength(1)
    await admin.post('/experiments/sticky/stop')
    expect(await assign('sticky', { userId: 'u1' })).toEqual(first)
    const late = await member.post('/experiments/sticky/assign', { userId: 'u2' })
    expect([late.status, late.body.code]).toEqual([409, 'experiment_stopped'])
  })

  test('waits for the start, and for a body that names one unit of the right kind', async () => {
    await define('early')
    const early = await member.post('/experiments/early/assign', { userId: 'u1' })
    expect([early.status, early.body.code]).toEqual([409, 'experiment_not_running'])
    for (const body of [{}, { userId: 'u', sessionId: 's' }, { userId: 7 }, { sessionId: null }])
      expect((await member.post('/experiments/early/assign', body)).status).toBe(422)
    await running('by-session', { unit: 'session' })
    const wrong = await member.post('/experiments/by-session/assign', { userId: 'u1' })
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([422, '/userId'])
    expect((await assign('by-session', { sessionId: 'anything' })).inExperiment).toBe(true)
  })

  test('looks at targeting, whose answer may change until a variant is given', async () => {
    await running('french', { targeting: 'attributes.country == "FR"' })
    expect(await assign('french', { userId: 'u' })).toMatchObject({ variant: null, inExperiment: false })
    expect((await assign('french', { userId: 'u', attributes: { country: 'DE' } })).variant).toBeNull()
    const given = await assign('french', { userId: 'u', attributes: { country: 'FR' } })
    expect(given.inExperiment).toBe(true)
    expect(await assign('french', { userId: 'u', attributes: { country: 'DE' } })).toEqual(given)
  })

  test('keeps units of one namespace apart, and only a share of them with coverage', async () => {
    await running('left', { namespace: { key: 'place', from: 0, to: 0.5 } })
    await running('right', { namespace: { key: 'place', from: 0.5, to: 1 } })
    await running('covered', { coverage: 0.1 })
    const users = Array.from({ length: 60 }, (_, i) => `user-${i}`)
    let covered = 0
    for (const userId of users) {
      const [left, right] = [await assign('left', { userId }), await assign('right', { userId })]
      expect([left.inExperiment, right.inExperiment].sort()).toEqual([false, true])
      if ((await assign('covered', { userId })).inExperiment) covered += 1
    }
    expect(covered).toBeGreaterThan(0)
    expect(covered).toBeLessThan(20)
  })

  test('is for participants their own', async () => {
    await running('own')
    const pat = await service.as('acme', 'pat', 'participant')
    expect((await assign('own', { userId: 'pat' }, pat)).inExperiment).toBe(true)
    expect((await pat.post('/experiments/own/assign', { userId: 'mia' })).status).toBe(403)
    const session = await member.post('/onboarding/start', { flowId: FLOW })
    const other = await pat.post('/experiments/own/assign', { sessionId: session.body.id })
    expect([other.status, other.body.code]).toEqual([404, 'session_unknown'])
    expect((await pat.get('/experiments/own/results')).status).toBe(403)
  })
})

describe('results', () => {
  const shown = (session: string, experiment: string, variant: string, hours: number) => ({
    session,
    exposure: { experiment, variant },
    at: hour(hours),
  })

  test('count what happened from the first exposure on, and leave out who saw several variants', async () => {
    await define('counted', {
      flowId: FLOW,
      unit: 'session',
      metrics: [
        metric,
        { ...metric, key: 'soon', window: 'PT2H' },
        { key: 'buys', type: 'count', filter: { signal: 'buy' }, direction: 'increase', role: 'secondary' },
        { key: 'spend', type: 'sum', filter: { signal: 'buy' }, direction: 'increase', role: 'secondary' },
        { key: 'basket', type: 'mean', filter: { signal: 'buy' }, direction: 'increase', role: 'secondary' },
        {
          key: 'share',
          type: 'ratio',
          filter: { signal: 'buy', where: 'properties.gift == true' },
          denominator: { signal: 'buy' },
          direction: 'increase',
          role: 'secondary',
        },
      ],
    })
    const buy = (session: string, hours: number, value: number, gift = false) => ({
      session,
      signal: 'buy',
      value,
      at: hour(hours),
      properties: { gift },
    })
    const position = await importHistory(admin, FLOW, [
      // before the exposure: does not count
      done('r1', 'c', 1),
      buy('r1', 1, 100),
      shown('r1', 'counted', 'control', 2),
      buy('r1', 2, 10),
      buy('r1', 3, 30, true),
      shown('r2', 'counted', 'control', 1),
      done('r2', 'c', 9),
      shown('r3', 'counted', 'treatment', 1),
      shown('r3', 'counted', 'treatment', 5),
      done('r3', 'c', 3),
      buy('r3', 4, 5),
      shown('r4', 'counted', 'treatment', 1),
      shown('r5', 'counted', 'control', 1),
      shown('r5', 'counted', 'treatment', 2),
      done('r5', 'c', 3),
      shown('r6', 'another', 'control', 1),
      done('r6', 'c', 3),
      shown('r7', 'counted', 'unheard', 1),
      done('r7', 'c', 3),
    ])
    const body = await results('counted', position)
    expect(body).toMatchObject({ status: 'draft', assigned: 5, exposed: 5, multiExposed: 1, exact: true })
    expect(body.srm).toMatchObject({ chiSquared: 0, p: 1, verdict: 'ok' })
    const figures = body.metrics.map(({ key, variants }: Json) => [
      key,
      ...variants.flatMap(({ n, sum, mean }: Json) => [n, sum, mean]),
    ])
    expect(figures).toEqual([
      ['done', 2, 1, 0.5, 2, 1, 0.5],
      ['soon', 2, 0, 0, 2, 1, 0.5],
      ['buys', 2, 2, 1, 2, 1, 0.5],
      ['spend', 2, 40, 20, 2, 5, 2.5],
      ['basket', 2, 40, 20, 2, 5, 5],
      ['share', 2, 30, 0.75, 2, 0, 0],
    ])
    expect(body.warnings).toEqual([expect.stringContaining('unheard')])
    const earlier = await analyst.get(`/experiments/counted/results?asOf=${hour(1)}&after=${position}`)
    expect(earlier.body).toMatchObject({ exposed: 5 - 1, multiExposed: 0 })
    const kept = await db.query(`select * from read.experiment_results where key = 'counted'`)
    expect(kept.rows[0].results.metrics).toEqual(body.metrics)
  })

  test('bring a user’s sessions and the tenant’s flows together where there is no flowId', async () => {
    await publish(admin, 'second', ['c'])
    await define('wide')
    await importHistory(admin, FLOW, [
      { session: 'w1', attributes: {}, user: 'wu', at: hour(0) },
      shown('w1', 'wide', 'treatment', 1),
      shown('w2', 'wide', 'control', 1),
    ])
    const position = await importHistory(admin, 'second', [
      { session: 'w3', attributes: {}, user: 'wu', at: hour(0) },
      done('w3', 'c', 5),
      shown('w4', 'wide', 'control', 1),
      done('w4', 'c', 0),
    ])
    const body = await results('wide', position)
    expect(body.metrics[0].variants.map(({ n, sum }: Json) => [n, sum])).toEqual([
      [2, 0],
      [1, 1],
    ])
  })

  test('are frozen by a stop', async () => {
    await running('frozen', { unit: 'session' })
    await importHistory(admin, FLOW, [
      shown('z1', 'frozen', 'control', 1),
      shown('z2', 'frozen', 'treatment', 1),
    ])
    await admin.post('/experiments/frozen/stop')
    const position = await importHistory(admin, FLOW, [
      done('z1', 'c', 2),
      shown('z3', 'frozen', 'control', 1),
    ])
    const after = await results('frozen', position)
    expect(after).toMatchObject({ status: 'stopped', exposed: 2, stoppedAt: expect.any(String) })
    expect(after.metrics[0].variants[0]).toMatchObject({ n: 1, sum: 0 })
    const kept = await db.query(`select * from read.experiment_results where key = 'frozen'`)
    expect(kept.rows[0]).toMatchObject({ status: 'stopped', results: after })
  })

  test('know of what was shown outside of a flow’s steps, once a session', async () => {
    await running('banner', { targeting: 'attributes.plan == "pro"' })
    const pro = await member.post('/onboarding/start', { flowId: FLOW, context: { plan: 'pro' } })
    const free = await member.post('/onboarding/start', { flowId: FLOW, userId: 'free' })
    const shown = await member.post('/experiments/banner/exposures', { sessionId: pro.body.id })
    expect([shown.status, shown.body.inExperiment]).toEqual([200, true])
    const again = await member.post('/experiments/banner/exposures', { sessionId: pro.body.id })
    expect(again.headers.get('etag')).toBe(shown.headers.get('etag'))
    const outside = await member.post('/experiments/banner/exposures', { sessionId: free.body.id })
    expect([outside.status, outside.body.code]).toEqual([409, 'not_in_experiment'])
    expect((await analyst.post('/experiments/banner/exposures', { sessionId: pro.body.id })).status).toBe(403)
    const body = await results('banner', shown.headers.get('gangway-position')!)
    expect(body).toMatchObject({ status: 'running', assigned: 1, exposed: 1 })
  })

  test('are never a fault of the service, whatever is defined', async () => {
    const good = definition('fuzz', {
      flowId: FLOW,
      alpha: 0.05,
      covariate: 'x',
      targeting: 'true',
      namespace: { key: 'n', from: 0, to: 1 },
      variants: two.map((variant) => ({ ...variant, overrides: { steps: { a: { title: 'A' } } } })),
      metrics: [
        { ...metric, type: 'ratio', denominator: { any: true, where: 'properties.x > 1' }, window: 'P1D' },
      ],
    })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 400 }), fc.jsonValue({ maxDepth: 3 }), async (at, value) => {
        const { status } = await admin.post('/experiments', replaced(good, at, value))
        expect(status).toBeLessThan(500)
        expect((await analyst.get('/experiments/fuzz/results')).status).toBeLessThan(500)
      }),
      { numRuns: 120 },
    )
  })

  test('are planned for', async () => {
    const plan = await analyst.post('/experiments/power', { mean: 0.1, lift: 0.1, unitsPerDay: 1000 })
    expect(plan.status).toBe(200)
    // Textbook: 2 × (1.96 + 0.84)² × p(1 − p) ÷ δ², an arm.
    expect(plan.body.unitsPerArm).toBeGreaterThan(13_000)
    expect(plan.body.unitsPerArm).toBeLessThan(16_000)
    expect(plan.body.daysToGo).toBeCloseTo(plan.body.requiredUnits / 1000, -1)
    const from = await analyst.post('/experiments/power', { experiment: 'counted', lift: 0.1 })
    expect([from.status, from.body.requiredUnits > 0]).toEqual([200, true])
    for (const body of [{}, { mean: 2, lift: 0.1 }, { mean: 0.1, lift: 0 }, { mean: -1 }])
      expect((await analyst.post('/experiments/power', body)).status).toBe(422)
  })
})

/** The value with its nth part, counted depth first, replaced. */
function replaced(value: Json, at: number, by: unknown): unknown {
  let left = at % parts(value)
  const walk = (part: Json): unknown => {
    if (left-- === 0) return by
    if (Array.isArray(part)) return part.map(walk)
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, walk(member)]))
  }
  return walk(value)
}

const parts = (value: Json): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce((sum: number, member) => sum + parts(member), 1)
    : 1
