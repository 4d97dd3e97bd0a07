import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { done, hour, importHistory, publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'

const FLOW = 'trial'
const steps = [{ step: 'a' }, { step: 'b' }, { step: 'c' }]

let service: TestService
let admin: Client
let analyst: Client
let after: string

beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('acme', 'root', 'admin')
  analyst = await service.as('acme', 'ann', 'analyst')
  await publish(admin, FLOW, ['a', 'b', 'c'])
  after = await importHistory(admin, FLOW, [
    { session: 's1', attributes: { plan: 'pro' }, user: 'u1', at: hour(0) },
    done('s1', 'a', 0, { size: 3 }),
    done('s1', 'b', 2),
    done('s1', 'c', 26),
    { session: 's2', attributes: { plan: 'free' }, user: 'u1', at: hour(1) },
    done('s2', 'a', 1, { size: 7 }),
    done('s2', 'b', 4),
    done('s3', 'a', 5, { size: 9 }),
    { session: 's3', signal: 'help', value: 2, at: hour(6) },
    done('s4', 'b', 7),
  ])
})
afterAll(() => service?.stop())

const ask = (path: string, body: object, who = analyst) => who.post(`/analytics/${path}?after=${after}`, body)
const counts = (body: { steps: { count: number }[] }) => body.steps.map(({ count }) => count)

describe('a funnel over HTTP', () => {
  test('counts sessions, says as of when and which position, and what was asked', async () => {
    const { status, body } = await ask('funnels/query', { flowId: FLOW, steps })
    expect(status).toBe(200)
    expect(counts(body)).toEqual([3, 2, 1])
    expect(body.steps[1]).toMatchObject({ name: 'b', dropped: 1, inProgress: 0, medianSeconds: 9000 })
    expect(body).toMatchObject({
      exact: true,
      warnings: [],
      definitionHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(BigInt(body.asOfPosition)).toBeGreaterThanOrEqual(BigInt(after))
    expect(Date.parse(body.asOf)).toBeGreaterThan(Date.now() - 60_000)
    expect(body.computeMs).toBeGreaterThanOrEqual(0)
  })

  test('counts users, conditions, windows and breakdowns', async () => {
    const user = await ask('funnels/query', { flowId: FLOW, steps, unit: 'user' })
    expect(counts(user.body)).toEqual([2, 1, 1])
    const large = await ask('funnels/query', {
      flowId: FLOW,
      steps: [{ step: 'a', where: 'properties.size > 5.0' }],
    })
    expect(counts(large.body)).toEqual([2])
    const quick = await ask('funnels/query', { flowId: FLOW, steps, window: 'PT3H' })
    expect(counts(quick.body)).toEqual([3, 2, 0])
    const byPlan = await ask('funnels/query', { flowId: FLOW, steps, breakdown: { attribute: 'plan' } })
    expect(byPlan.body.breakdowns.map((b: any) => [b.value, counts(b)])).toEqual(
      expect.arrayContaining([
        ['pro', [1, 1, 1]],
        ['free', [1, 1, 0]],
        [null, [1, 0, 0]],
      ]),
    )
  })

  test('sees nothing later than asOf, and units whose window is open then are in progress', async () => {
    const { body } = await ask('funnels/query', { flowId: FLOW, steps, window: 'P1D', asOf: hour(3) })
    expect(body.asOf).toBe(hour(3))
    expect(counts(body)).toEqual([2, 1, 0])
    expect(body.steps[1]).toMatchObject({ dropped: 0, inProgress: 1 })
  })

  test('explains one unit by the events of the log', async () => {
    const { body } = await ask('funnels/explain', { flowId: FLOW, steps, unitId: 's2' })
    expect(body).toMatchObject({
      unitId: 's2',
      reached: 2,
      excluded: false,
      stoppedBy: { step: expect.anything() },
    })
    const audit = await (await service.as('acme', 'aud', 'auditor')).get('/audit/sessions/s2')
    const completed = audit.body.events.filter((event: any) => event.type === 'StepCompleted')
    expect(body.steps.map((step: any) => step.event?.id ?? null)).toEqual([
      completed[0].id,
      completed[1].id,
      null,
    ])
    expect(body.steps[1].event.at).toBe(hour(4))
  })

  test('tells the time to convert', async () => {
    const { body } = await ask('funnels/time-to-convert', { flowId: FLOW, steps })
    expect(body.total).toEqual({ median: 93_600, p90: 93_600, mean: 93_600, n: 1 })
    expect(body.survival[0]).toMatchObject({ t: 93_600, events: 1 })
  })

  test('lists drivers, with what else there is to say in headers', async () => {
    const { status, body, headers } = await ask('funnels/drivers', { flowId: FLOW, steps: steps.slice(0, 2) })
    expect(status).toBe(200)
    expect(body).toContainEqual(
      expect.objectContaining({ attribute: 'plan', value: 'pro', converted: 1, dropped: 0 }),
    )
    expect(body).toContainEqual(
      expect.objectContaining({ event: { signal: 'help' }, converted: 0, dropped: 1 }),
    )
    expect(headers.get('gangway-definition-hash')).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.parse(headers.get('gangway-warnings')!)).toEqual([])
  })
})

test('paths follow what was done', async () => {
  const { body } = await ask('paths', { flowId: FLOW, from: { step: 'a' }, depth: 2, limit: 10 })
  expect(body.links).toContainEqual({ from: 'a', to: 'b', step: 0, count: 2 })
  expect(body.links).toContainEqual({ from: 'a', to: 'help', step: 0, count: 1 })
})

test('retention puts units into cohorts of local days', async () => {
  const query = { flowId: FLOW, cohortBy: { step: 'a' }, returnBy: { any: true }, period: 'day', periods: 2 }
  const { body } = await ask('retention/query', { ...query, asOf: hour(72) })
  expect(body.cohorts).toMatchObject([
    {
      start: '2026-01-01',
      size: 3,
      cells: [
        { returned: 3, rate: 1 },
        { returned: 1, rate: 1 / 3 },
      ],
    },
  ])
  const tokyo = await ask('retention/query', { ...query, timezone: 'Asia/Tokyo', asOf: hour(72) })
  expect(tokyo.body.cohorts[0].start).toBe('2026-01-01')
})

describe('what cannot be answered is told', () => {
  const funnel = { flowId: FLOW, steps }
  const cases: [string, string, object, string][] = [
    ['a window of −1', 'funnels/query', { ...funnel, window: '-1' }, '/window'],
    ['a negative window', 'funnels/query', { ...funnel, window: '-P1D' }, '/window'],
    ['51 steps', 'funnels/query', { flowId: FLOW, steps: Array(51).fill({ step: 'a' }) }, '/steps'],
    ['no steps', 'funnels/query', { flowId: FLOW, steps: [] }, '/steps'],
    ['a step nobody knows', 'funnels/query', { flowId: FLOW, steps: [{ step: 'x' }] }, '/steps/0/step'],
    [
      'an event type that does not exist',
      'funnels/query',
      { flowId: FLOW, steps: [{ event: 'X' }] },
      '/steps/0/event',
    ],
    [
      'a condition that does not parse',
      'funnels/query',
      { flowId: FLOW, steps: [{ step: 'a', where: '1 +' }] },
      '/steps/0/where',
    ],
    [
      'an unknown variable',
      'funnels/query',
      { flowId: FLOW, steps: [{ step: 'a', where: 'answers.a' }] },
      '/steps/0/where',
    ],
    ['an unknown segment', 'funnels/query', { ...funnel, segment: 'nobody' }, '/segment'],
    ['an unknown field', 'funnels/query', { ...funnel, limit: 3 }, '/limit'],
    ['null for what is optional', 'funnels/query', { ...funnel, window: null }, '/window'],
    [
      'an exclusion that is not ordered',
      'funnels/query',
      { ...funnel, order: 'strict', exclusions: [{ filter: { step: 'b' }, from: 0, to: 1 }] },
      '/exclusions',
    ],
    ['no flow', 'funnels/query', { steps }, '/flowId'],
    ['a unit nobody knows', 'funnels/explain', { ...funnel, unitId: 'nobody' }, '/unitId'],
    ['no unit', 'funnels/explain', funnel, '/unitId'],
    [
      'candidates that are none',
      'funnels/drivers',
      { ...funnel, candidates: [{ nothing: 1 }] },
      '/candidates/0',
    ],
    ['a depth of 0', 'paths', { flowId: FLOW, depth: 0 }, '/depth'],
    [
      'hours of 24 hours',
      'retention/query',
      {
        flowId: FLOW,
        cohortBy: { any: true },
        returnBy: { any: true },
        period: 'hour',
        periods: 2,
        clock: 'rolling24h',
      },
      '/period',
    ],
    [
      'a zone that does not exist',
      'retention/query',
      {
        flowId: FLOW,
        cohortBy: { any: true },
        returnBy: { any: true },
        period: 'day',
        periods: 2,
        timezone: 'Mars/Olympus',
      },
      '/timezone',
    ],
  ]
  test.each(cases)('%s', async (_, path, body, pointer) => {
    const answer = await ask(path, body)
    expect(answer.status).toBe(422)
    expect(answer.body.errors.map((error: any) => error.pointer)).toContain(pointer)
  })

  test('a flow of somebody else looks like nothing', async () => {
    const stranger = await service.as('other', 'eve', 'analyst')
    const { status, body } = await stranger.post('/analytics/funnels/query', { flowId: FLOW, steps })
    expect([status, body.code]).toEqual([404, 'flow_unknown'])
  })

  test('who is no analyst gets nothing', async () => {
    for (const role of ['participant', 'member', 'auditor'])
      expect((await ask('funnels/query', funnel, await service.as('acme', 'eve', role))).status).toBe(403)
  })

  test('a position that is not there yet: 503 with the lag', async () => {
    const { status, body, headers } = await analyst.post(
      `/analytics/paths?after=${BigInt(after) + 1_000_000n}`,
      {
        flowId: FLOW,
      },
    )
    expect([status, body.code]).toEqual([503, 'read_model_behind'])
    expect(BigInt(body.lag)).toBeGreaterThan(900_000n)
    expect(headers.get('retry-after')).toBe('1')
  }, 10_000)
})

test('an Idempotency-Key means nothing to a query', async () => {
  const key = { 'idempotency-key': 'one' }
  const first = await analyst.post('/analytics/paths', { flowId: FLOW }, key)
  const other = await analyst.post('/analytics/funnels/query', { flowId: FLOW, steps }, key)
  expect([first.status, other.status]).toEqual([200, 200])
  expect(other.headers.get('idempotent-replayed')).toBeNull()
})

describe('whatever is sent, an answer or a fault comes back', () => {
  const values = [
    null,
    0,
    -1,
    1e308,
    '',
    'x',
    '\u2028',
    [],
    {},
    [[]],
    true,
    '-P1D',
    'P1Y',
    '0000-01-01',
    { any: true },
  ]
  const nasty = (base: Record<string, unknown>) =>
    Object.keys(base).flatMap((key) => values.map((value) => ({ ...base, [key]: value })))
  const any = { any: true }
  const bodies: [string, object[]][] = [
    [
      'funnels/query',
      nasty({
        flowId: FLOW,
        steps: [{ step: 'a' }],
        order: 'ordered',
        entry: 'first',
        window: 'P1D',
        ties: 'any',
        exclusions: [],
        from: hour(0),
        to: hour(9),
        breakdown: { attribute: 'plan' },
        segment: 'x',
        unit: 'user',
        asOf: hour(9),
      }),
    ],
    [
      'funnels/query',
      values.map((value) => ({
        flowId: FLOW,
        steps: [value, { step: value }, { any: value, where: value }],
      })),
    ],
    [
      'funnels/query',
      values.map((value) => ({
        flowId: FLOW,
        steps: [any, any],
        exclusions: [value, { filter: value, from: value, to: value }],
      })),
    ],
    [
      'funnels/query',
      values.map((value) => ({ flowId: FLOW, steps: [any], breakdown: { attribute: value } })),
    ],
    ['funnels/explain', nasty({ flowId: FLOW, steps: [any], unitId: 's1' })],
    ['funnels/time-to-convert', nasty({ flowId: FLOW, steps: [any], window: 'P1D' })],
    ['funnels/drivers', nasty({ flowId: FLOW, steps: [any, any], candidates: [{ attribute: 'plan' }] })],
    ['paths', nasty({ flowId: FLOW, from: any, to: any, depth: 3, limit: 3, unit: 'user', asOf: hour(9) })],
    [
      'retention/query',
      nasty({
        flowId: FLOW,
        cohortBy: any,
        returnBy: any,
        period: 'hour',
        periods: 3,
        clock: 'calendar',
        mode: 'on',
        brackets: [[0, 1]],
        timezone: 'UTC',
        weekStart: 'monday',
        asOf: hour(9),
      }),
    ],
  ]
  test.each(bodies)('%s', async (path, all) => {
    for (const body of all) {
      const { status } = await analyst.post(`/analytics/${path}`, body)
      expect([200, 404, 422], `${status} for ${JSON.stringify(body)}`).toContain(status)
    }
  })

  test('saved definitions', async () => {
    const saves: [string, object[]][] = [
      ['segments', values.map((rule) => ({ flowId: FLOW, rule }))],
      [
        'segments',
        values.map((value) => ({
          flowId: FLOW,
          rule: { did: any, atLeast: value, within: value, since: value },
        })),
      ],
      [
        'segments',
        values.map((value) => ({ flowId: FLOW, rule: { all: [value, { not: value }, { any: value }] } })),
      ],
      ['retentions', nasty({ flowId: FLOW, cohortBy: any, returnBy: any, period: 'day', periods: 2 })],
    ]
    for (const [kind, all] of saves)
      for (const body of all) {
        const { status } = await analyst.put(`/analytics/${kind}/nasty`, body)
        expect([200, 404, 422], `${status} for ${JSON.stringify(body)}`).toContain(status)
      }
    for (const query of ['from=x', 'to=2026-13-01', 'from=2026-01-02&to=2026-01-01', 'after=x', 'limit=1'])
      expect([200, 404, 422]).toContain((await analyst.get(`/analytics/retentions/nasty?${query}`)).status)
    for (const query of ['limit=0', 'cursor=x', 'cursor=m99999999999', 'limit=101'])
      expect((await analyst.get(`/analytics/segments/nasty/members?${query}`)).status).toBe(422)
  })
})

test('while a history pours in, queries are answered, and never see less than before', async () => {
  const flowId = 'pouring'
  await publish(admin, flowId, ['a', 'b'])
  const lines = Array.from({ length: 4000 }, (_, i) => [
    done(`p${i}`, 'a', i / 60),
    done(`p${i}`, 'b', i / 60 + 1),
  ])
  let over = false
  const importing = importHistory(admin, flowId, lines.flat()).finally(() => {
    over = true
  })
  const seen: number[][] = []
  while (!over) {
    const { status, body } = await analyst.post('/analytics/funnels/query', {
      flowId,
      steps: steps.slice(0, 2),
    })
    expect(status).toBe(200)
    seen.push(counts(body))
  }
  const position = await importing
  const last = await analyst.post(`/analytics/funnels/query?after=${position}`, {
    flowId,
    steps: steps.slice(0, 2),
  })
  expect(counts(last.body)).toEqual([4000, 4000])
  for (const [i, [a, b]] of seen.entries()) {
    expect(a).toBeGreaterThanOrEqual(seen[i - 1]?.[0] ?? 0)
    expect(b).toBeLessThanOrEqual(a!)
  }
})

test('the document describes queries in full, with every reference at its end', async () => {
  const { body } = await analyst.get('/docs/json')
  const { post } = body.paths['/analytics/funnels/query']
  expect(post.tags).toEqual(['analytics'])
  const name = post.requestBody.content['application/json'].schema.$ref.split('/').at(-1)
  expect(Object.keys(body.components.schemas[name].properties)).toEqual(
    expect.arrayContaining([
      'steps',
      'order',
      'entry',
      'window',
      'ties',
      'exclusions',
      'breakdown',
      'unit',
      'asOf',
    ]),
  )
  const references = JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/([^"]*)"/g)
  for (const [, target] of references) expect(body.components.schemas).toHaveProperty([target!])
  for (const path of ['/analytics/segments/{key}', '/analytics/definitions', '/analytics/retentions/{key}'])
    expect(body.paths).toHaveProperty([path])
})
