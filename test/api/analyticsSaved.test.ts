import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { done, hour, importHistory, publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'

const FLOW = 'trial'
const steps = [{ step: 'a' }, { step: 'b' }, { step: 'c' }]

let service: TestService
let admin: Client
let analyst: Client
let db: pg.Client

beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('acme', 'root', 'admin')
  analyst = await service.as('acme', 'ann', 'analyst')
  db = new pg.Client({ connectionString: service.connectionString })
  await db.connect()
  await publish(admin, FLOW, ['a', 'b', 'c', 'd'])
})
afterAll(async () => {
  await db?.end()
  await service?.stop()
})

const save = async (kind: string, key: string, definition: object) => {
  const answer = await analyst.put(`/analytics/${kind}/${key}`, definition)
  expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ key })])
  return answer.headers.get('gangway-position')!
}

describe('a definition', () => {
  const definition = { flowId: FLOW, steps }

  test('is saved as an event, listed, replaced and deleted', async () => {
    await save('funnels', 'own', definition)
    const position = await save('funnels', 'own', { ...definition, order: 'strict' })
    const listed = await analyst.get(`/analytics/definitions?kind=funnel&after=${position}`)
    expect(listed.body.data).toEqual([
      expect.objectContaining({
        key: 'own',
        flowId: FLOW,
        definition: { ...definition, order: 'strict' },
        revision: 1,
      }),
    ])
    const deleted = await analyst.send('DELETE', '/analytics/funnels/own')
    expect([deleted.status, deleted.headers.get('etag')]).toEqual([204, '"2"'])
    expect((await analyst.get('/analytics/funnels/own')).status).toBe(404)
    expect((await analyst.send('DELETE', '/analytics/funnels/own')).status).toBe(404)
    const left = await analyst.get(`/analytics/definitions?after=${deleted.headers.get('gangway-position')}`)
    expect(left.body).toEqual({ data: [], nextCursor: null })
    await expect
      .poll(() => db.query(`select from read.saved_answers where key = 'own'`).then((r) => r.rowCount))
      .toBe(0)
  })

  test('saved again with the same key is answered as the first time', async () => {
    const headers = { 'idempotency-key': 'save-once' }
    const first = await analyst.put('/analytics/funnels/once', definition, headers)
    const again = await analyst.put('/analytics/funnels/once', definition, headers)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect([again.status, again.body]).toEqual([first.status, first.body])
    const other = await analyst.put('/analytics/funnels/once', { ...definition, unit: 'user' }, headers)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused'])
    await analyst.send('DELETE', '/analytics/funnels/once')
  })

  test.each([
    ['funnels', { flowId: FLOW, steps: [{ step: 'nowhere' }] }, '/steps/0/step'],
    ['funnels', { ...definition, segment: 'nobody' }, '/segment'],
    [
      'retentions',
      { flowId: FLOW, cohortBy: { any: true }, returnBy: { any: true }, period: 'year' },
      '/period',
    ],
    ['segments', { flowId: FLOW, rule: 'attributes.plan ==' }, '/rule'],
    ['segments', { flowId: FLOW, rule: { did: { step: 'a' }, atLeast: 0 } }, '/rule/atLeast'],
    ['segments', { flowId: FLOW, rule: 'true', name: 'x' }, '/name'],
  ])('that cannot be answered is not saved: %s %j', async (kind, wrong, pointer) => {
    const { status, body } = await analyst.put(`/analytics/${kind}/wrong`, wrong)
    expect(status).toBe(422)
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
    expect((await analyst.get(`/analytics/${kind}/wrong`)).status).toBe(404)
  })

  test('is nobody else’s', async () => {
    await save('funnels', 'mine', definition)
    const stranger = await service.as('other', 'eve', 'admin')
    expect((await stranger.get('/analytics/funnels/mine')).status).toBe(404)
    expect((await stranger.get('/analytics/definitions')).body.data).toEqual([])
    const member = await service.as('acme', 'max', 'member')
    expect((await member.put('/analytics/funnels/mine', definition)).status).toBe(403)
    await analyst.send('DELETE', '/analytics/funnels/mine')
  })
})

describe('a segment', () => {
  test('has a size, a series, members, and restricts and breaks down other queries', async () => {
    const flowId = 'segments'
    await publish(admin, flowId, ['a', 'b'])
    await importHistory(admin, flowId, [
      { session: 'm1', attributes: { plan: 'pro' }, at: hour(0) },
      done('m1', 'a', 1),
      done('m1', 'a', 2),
      done('m1', 'b', 3),
      { session: 'm2', attributes: { plan: 'pro' }, at: hour(0) },
      done('m2', 'a', 1),
      { session: 'm3', attributes: { plan: 'free' }, at: hour(0) },
      done('m3', 'a', 1),
      done('m3', 'a', 200),
    ])
    await save('segments', 'pro', { flowId, rule: 'attributes.plan == "pro"' })
    const rule = {
      all: [{ did: { step: 'a' }, atLeast: 2, within: 'P1D' }, { not: 'attributes.plan == "free"' }],
    }
    const after = await save('segments', 'keen', { flowId, rule })
    const keen = await analyst.get(`/analytics/segments/keen?after=${after}`)
    expect(keen.body).toMatchObject({ size: 1, exact: true })
    expect(keen.body.series.at(-1).size).toBe(1)
    expect(BigInt(keen.body.asOfPosition)).toBeGreaterThanOrEqual(BigInt(after))
    const first = await analyst.get('/analytics/segments/pro/members?limit=1')
    expect(first.body.data).toEqual([{ id: 'm1' }])
    const second = await analyst.get(
      `/analytics/segments/pro/members?limit=1&cursor=${first.body.nextCursor}`,
    )
    expect([second.body.data, second.body.nextCursor]).toEqual([[{ id: 'm2' }], null])

    const funnel = { flowId, steps: [{ step: 'a' }, { step: 'b' }] }
    const within = await analyst.post('/analytics/funnels/query', { ...funnel, segment: 'pro' })
    expect(within.body.steps.map((step: { count: number }) => step.count)).toEqual([2, 1])
    const split = await analyst.post('/analytics/funnels/query', {
      ...funnel,
      breakdown: { segment: 'keen' },
    })
    expect(split.body.breakdowns.map((b: any) => [b.value, b.steps[0].count])).toEqual([
      [false, 2],
      [true, 1],
    ])

    // somebody joins: the kept answer, its rows and the next query know
    const later = await importHistory(admin, flowId, [done('m2', 'a', 5)])
    expect((await analyst.get(`/analytics/segments/keen?after=${later}`)).body.size).toBe(2)
    const { rows } = await db.query(`select unit from read.segment_members where key = 'keen' order by unit`)
    expect(rows).toEqual([{ unit: 'm1' }, { unit: 'm2' }])
  })

  test('that other definitions name, once deleted, leaves them broken and not wrong', async () => {
    await save('segments', 'passing', { flowId: FLOW, rule: 'true' })
    await save('funnels', 'of-passing', { flowId: FLOW, steps, segment: 'passing' })
    const gone = await analyst.send('DELETE', '/analytics/segments/passing')
    const { status, body } = await analyst.get(
      `/analytics/funnels/of-passing?after=${gone.headers.get('gangway-position')}`,
    )
    expect([status, body.code, body.errors[0].pointer]).toEqual([409, 'definition_broken', '/segment'])
    await analyst.send('DELETE', '/analytics/funnels/of-passing')
  })
})

test('a breakdown by more values than are shown stays bounded, and says so', async () => {
  const flowId = 'many'
  await publish(admin, flowId, ['a', 'b'])
  const lines = Array.from({ length: 300 }, (_, n) => [
    { session: `v${n}`, attributes: { colour: `colour ${n}` }, at: hour(n) },
    done(`v${n}`, 'a', n + 1),
    ...(n < 250 ? [done(`v${n}`, 'b', n + 2)] : []),
  ])
  const after = await importHistory(admin, flowId, lines.flat())
  const definition = { flowId, steps: [{ step: 'a' }, { step: 'b' }], breakdown: { attribute: 'colour' } }
  await save('funnels', 'many', definition)
  const kept = await analyst.get(`/analytics/funnels/many?after=${after}`)
  expect(kept.body.steps.map((step: any) => step.count)).toEqual([300, 250])
  expect(kept.body.breakdowns).toHaveLength(200)
  expect(kept.body.warnings[0]).toContain('300 values')
  const { rows } = await db.query(
    `select step, sum(count)::int as count, count(distinct group_number)::int as groups
       from read.funnel_days where key = 'many' group by step order by step`,
  )
  expect(rows).toEqual([
    { step: 0, count: 300, groups: 201 },
    { step: 1, count: 250, groups: 201 },
  ])
  const bounds = { from: hour(10), to: hour(290) }
  const part = await analyst.get(`/analytics/funnels/many?from=${bounds.from}&to=${bounds.to}`)
  const asked = await analyst.post('/analytics/funnels/query', {
    ...definition,
    ...bounds,
    asOf: part.body.asOf,
  })
  expect([part.body.steps, part.body.breakdowns]).toEqual([asked.body.steps, asked.body.breakdowns])
})

test('a value seen later leaves the units without one where they were', async () => {
  const flowId = 'values'
  await publish(admin, flowId, ['a'])
  const definition = { flowId, steps: [{ step: 'a' }], breakdown: { attribute: 'plan' } }
  await save('funnels', 'values', definition)
  const bounds = `from=${hour(0)}&to=${hour(50)}`
  for (const [n, plan] of [undefined, 'free', 'pro'].entries()) {
    const attributes = plan === undefined ? [] : [{ session: `w${n}`, attributes: { plan }, at: hour(n) }]
    const after = await importHistory(admin, flowId, [...attributes, done(`w${n}`, 'a', n)])
    const { body } = await analyst.get(`/analytics/funnels/values?${bounds}&after=${after}`)
    const groups = body.breakdowns.map((b: any) => [b.value, b.steps[0].count])
    expect(groups).toEqual([...['free', 'pro'].slice(0, n).map((value) => [value, 1]), [null, 1]])
  }
})

test('nodes that do not keep results read what another one keeps', async () => {
  const flowId = 'nodes'
  await publish(admin, flowId, ['a', 'b'])
  const second = await startTestService({ database: service, environment: { ROLES: 'api' } })
  const third = await startTestService({ database: service })
  try {
    const there = await second.as('acme', 'ann', 'analyst')
    const saved = await there.put('/analytics/funnels/shared', {
      flowId,
      steps: [{ step: 'a' }, { step: 'b' }],
    })
    expect(saved.status).toBe(200)
    for (let n = 1; n <= 3; n++) {
      const after = await importHistory(admin, flowId, [done(`n${n}`, 'a', n), done(`n${n}`, 'b', n + 1)])
      for (const client of [there, analyst, await third.as('acme', 'ann', 'analyst')]) {
        const { status, body } = await client.get(`/analytics/funnels/shared?after=${after}`)
        expect([status, body.steps.map((step: any) => step.count)]).toEqual([200, [n, n]])
      }
    }
    const { rows } = await db.query(`select unit from read.funnel_units where key = 'shared' order by unit`)
    expect(rows.map(({ unit }) => unit)).toEqual(['n1', 'n2', 'n3'])
  } finally {
    await Promise.all([second.stop(), third.stop()])
  }
}, 60_000)

describe('at the same position a saved answer equals the one asked for', () => {
  const flowId = 'property'
  const names = ['a', 'b', 'c', 'd']
  const funnel = (more: object) => ({ flowId, steps, ...more })
  const definitions: Record<string, object> = {
    plain: funnel({}),
    strict: funnel({ order: 'strict', window: 'P2D' }),
    unordered: funnel({ order: 'unordered', window: 'P1D' }),
    any: funnel({ entry: 'any', window: 'PT12H', ties: 'any' }),
    excluded: funnel({ exclusions: [{ filter: { step: 'd' }, from: 0, to: 2 }], window: 'P3D' }),
    users: funnel({ unit: 'user', breakdown: { attribute: 'plan' } }),
    conditional: funnel({
      steps: [{ step: 'a', where: 'properties.n > 1.0' }, { any: true }],
      breakdown: { attribute: 'plan' },
    }),
    bounded: funnel({ from: hour(12), to: hour(60) }),
  }
  const retentions: Record<string, object> = {
    daily: { flowId, cohortBy: { step: 'a' }, returnBy: { any: true }, period: 'day', periods: 5 },
    weekly: {
      flowId,
      cohortBy: { any: true },
      returnBy: { step: 'b' },
      period: 'week',
      periods: 3,
      unit: 'user',
      mode: 'onOrAfter',
    },
  }
  const event = fc.record({
    session: fc.integer({ min: 0, max: 5 }),
    what: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ step: fc.constantFrom(...names), n: fc.integer({ min: 0, max: 3 }) }),
      },
      fc.record({ plan: fc.constantFrom('free', 'pro', null) }),
      fc.record({ user: fc.integer({ min: 0, max: 3 }) }),
    ),
    at: fc.integer({ min: 0, max: 90 }),
  })
  const line =
    (run: number) =>
    ({ session, what, at }: any) => {
      const head = { session: `r${run}-${session}`, at: hour(at) }
      if ('step' in what) return { ...head, step: what.step, data: { n: what.n } }
      if ('user' in what) return { ...head, attributes: {}, user: `r${run}-u${what.user}` }
      return { ...head, attributes: what }
    }
  const bare = ({ computeMs: _, definitionHash: __, asOfPosition: ___, ...answer }: any) => answer

  beforeAll(async () => {
    await publish(admin, flowId, names)
    for (const [key, definition] of Object.entries(definitions)) await save('funnels', key, definition)
    for (const [key, definition] of Object.entries(retentions)) await save('retentions', key, definition)
  })

  test('after every import, whole and within bounds', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 60 }), async (events) => {
        // two runs in three go on with sessions that are there already
        const lines = events.map(line(Math.floor(run++ / 3)))
        const after = await importHistory(admin, flowId, lines)
        for (const [key, definition] of Object.entries(definitions)) {
          const kept = await analyst.get(`/analytics/funnels/${key}?after=${after}`)
          expect(kept.status).toBe(200)
          const asked = { ...definition, asOf: kept.body.asOf }
          const fresh = await analyst.post('/analytics/funnels/query', asked)
          expect(bare(kept.body)).toEqual(bare(fresh.body))
          expect(kept.body.definitionHash).toBe(fresh.body.definitionHash)
          const bounds = { from: hour(20), to: hour(50) }
          const part = await analyst.get(`/analytics/funnels/${key}?from=${bounds.from}&to=${bounds.to}`)
          const partly = await analyst.post('/analytics/funnels/query', {
            ...asked,
            asOf: part.body.asOf,
            ...bounds,
          })
          expect(bare(part.body)).toEqual(bare(partly.body))
        }
        for (const [key, definition] of Object.entries(retentions)) {
          const kept = await analyst.get(`/analytics/retentions/${key}?after=${after}`)
          const fresh = await analyst.post('/analytics/retention/query', {
            ...definition,
            asOf: kept.body.asOf,
          })
          expect(bare(kept.body)).toEqual(bare(fresh.body))
        }
      }),
      {
        numRuns: 12,
        // whatever is drawn, a session that nothing else is drawn for goes all the way within the days that the next test reads
        examples: [[names.map((step, n) => ({ session: 6, what: { step, n }, at: 30 + n }))]],
      },
    )
  }, 60_000)

  test('and the rows beside it add up to it', async () => {
    const { body } = await analyst.get('/analytics/funnels/users')
    const days = await db.query(
      `select step, sum(count)::int as count from read.funnel_days where key = 'users' group by step order by step`,
    )
    expect(days.rows.map((row) => row.count)).toEqual(body.steps.map((step: any) => step.count))
    const units = await db.query(
      `select count(*)::int as count from read.funnel_units where key = 'users' and reached >= 2 and not excluded`,
    )
    expect(units.rows[0].count).toBe(body.steps[1].count)
    const retention = await analyst.get('/analytics/retentions/daily?from=2026-01-02&to=2026-01-04')
    const cells = await db.query(
      `select cohort, period, returned::int from read.retention_cells where key = 'daily'
        and cohort >= '2026-01-02' and cohort < '2026-01-04' order by cohort, period`,
    )
    expect(cells.rows.length).toBeGreaterThan(0)
    expect(cells.rows).toEqual(
      retention.body.cohorts.flatMap((cohort: any) =>
        cohort.cells.map((cell: any) => ({
          cohort: cohort.start,
          period: cell.period,
          returned: cell.returned,
        })),
      ),
    )
  })
})
