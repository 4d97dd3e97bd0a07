import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { done, hour, importHistory, publish } from '../support/history.ts'
import { onboardings, STEPS } from '../support/onboardings.ts'
import { startTestService, type TestService } from '../support/service.ts'

const FLOW = 'trial'
const SESSIONS = 600

let service: TestService
let admin: Client
let analyst: Client
let after: string

beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('acme', 'root', 'admin')
  analyst = await service.as('acme', 'ann', 'analyst')
  await publish(admin, FLOW, STEPS)
  await publish(admin, 'young', STEPS)
  await importHistory(admin, FLOW, onboardings(SESSIONS))
  after = await importHistory(admin, 'young', [
    ...onboardings(199).map((line) => ({ ...line, session: `young-${(line as any).session}` })),
    done('young-last', 'welcome', 1),
  ])
})
afterAll(() => service?.stop())

const get = (path: string, who = analyst) =>
  who.get(`/onboarding/${path}${path.includes('?') ? '&' : '?'}after=${after}`)

describe('a prediction', () => {
  test('comes from a model of the flow’s ended sessions, says how good it is on others, and why', async () => {
    const { status, body } = await get(`prediction/s7?asOf=${hour(3.6)}`)
    expect(status).toBe(200)
    expect(body.completion.p).toBeGreaterThan(0)
    expect(body.completion.p).toBeLessThan(1)
    expect(body.completion.ci[0]).toBeLessThan(body.completion.p)
    expect(body.completion.ci[1]).toBeGreaterThan(body.completion.p)
    expect(body.model).toMatchObject({ version: 1, finished: SESSIONS })
    expect(body.model.auc).toBeGreaterThan(0.75)
    expect(body.model.brier).toBeLessThan(0.2)
    expect(body.model.trainedOn + body.model.completion.sessions).toBe(SESSIONS)
    for (const { predicted, observed, n } of body.model.completion.calibration)
      expect(Math.abs(predicted - observed)).toBeLessThan(0.1 + 4 * Math.sqrt(0.25 / n))
    expect(body.factors.map(({ feature }: any) => feature)).toContain('stepsMet')
    expect(body).toMatchObject({ asOf: hour(3.6), exact: true })
    expect(BigInt(body.asOfPosition)).toBeGreaterThanOrEqual(BigInt(after))
  })

  test('rises with what is done, and is lower where people are lost', async () => {
    const chances = new Map<string, number>()
    for (const [id, device, steps] of [
      ['new-phone', 'phone', 1],
      ['new-desktop', 'desktop', 1],
      ['far-desktop', 'desktop', 4],
    ] as const) {
      const at = 1000
      const position = await importHistory(admin, FLOW, [
        { session: id, attributes: { device }, at: hour(at) },
        ...STEPS.slice(0, steps).map((step, i) => done(id, step, at + 1 + i)),
      ])
      const { body } = await analyst.get(
        `/onboarding/prediction/${id}?asOf=${hour(at + steps + 0.5)}&after=${position}`,
      )
      chances.set(id, body.completion.p)
    }
    expect(chances.get('new-phone')).toBeLessThan(chances.get('new-desktop')!)
    expect(chances.get('new-desktop')).toBeLessThan(chances.get('far-desktop')!)
    expect(chances.get('far-desktop')).toBeGreaterThan(0.8)
  })

  test('of a session that has ended is what is known', async () => {
    const { body } = await get('prediction/s0')
    expect([0, 1]).toContain(body.completion.p)
    expect(body.completion.p + body.abandon7d.p).toBe(1)
    expect(body.warnings).toHaveLength(1)
  })

  test('is not known before 200 sessions have ended, and says how many have', async () => {
    const { status, body } = await get('prediction/young-last')
    expect(status).toBe(200)
    expect(body).toMatchObject({ unknown: expect.stringContaining('199'), finished: 199 })
    const position = await importHistory(admin, 'young', [
      { session: 'young-last', status: 'abandoned', at: hour(99) },
    ])
    const known = await analyst.get(`/onboarding/prediction/young-s1?after=${position}`)
    expect(known.body).toMatchObject({ model: { version: 1, finished: 200 } })
  })

  test('names a model that is an event of the log', async () => {
    const auditor = await service.as('acme', 'aud', 'auditor')
    const { body } = await auditor.get(`/audit/streams/model-acme_${FLOW}`)
    expect(body.data).toHaveLength(1)
    expect(body.data[0]).toMatchObject({ type: 'ModelTrained', data: { version: 1, finished: SESSIONS } })
  })
})

describe('behaviour', () => {
  test('lists the steps with their times, against what is usual', async () => {
    const { status, body } = await get('behavior/s2')
    expect(status).toBe(200)
    expect(body).toMatchObject({ sessionId: 's2', flowId: FLOW, totals: { failedValidations: 0 } })
    expect(body.steps[0]).toMatchObject({ stepId: 'welcome', status: 'completed', submitted: 1 })
    const { secondsQuantile, sessions, medianSeconds } = body.steps[0].usual
    expect(secondsQuantile).toBeGreaterThanOrEqual(0)
    expect(secondsQuantile).toBeLessThanOrEqual(1)
    expect(sessions).toBeGreaterThan(300)
    expect(medianSeconds).toBeGreaterThan(1800)
    expect(body.difficulty).toMatchObject({ found: false, rule: expect.any(String) })
  })

  test('finds who took far longer than others', async () => {
    const position = await importHistory(admin, FLOW, [
      { session: 'slow', attributes: { device: 'desktop' }, at: hour(0) },
      done('slow', 'welcome', 1),
      done('slow', 'profile', 90),
    ])
    const { body } = await analyst.get(`/onboarding/behavior/slow?after=${position}`)
    expect(body.difficulty.found).toBe(true)
    expect(body.difficulty.steps).toMatchObject([
      { stepId: 'profile', evidence: [{ measure: 'seconds', value: 89 * 3600 }] },
    ])
  })
})

describe('opportunities', () => {
  test('puts first the step that costs most completions, with the query that shows it', async () => {
    const { status, body } = await get(`opportunities?flowId=${FLOW}`)
    expect(status).toBe(200)
    const [first] = body.steps
    expect(first.stepId).toBe('identity')
    expect(first.ci[0]).toBeLessThan(first.completionsToWin)
    expect(first.ci[1]).toBeGreaterThan(first.completionsToWin)
    const shown = await analyst.post(`${first.query.path}?after=${after}`, first.query.body)
    expect(shown.status).toBe(200)
    expect(shown.body.steps).toHaveLength(3)
    expect(body.sessions.ended).toBeGreaterThanOrEqual(SESSIONS)
  })

  test('names the segment that does worse, and no other', async () => {
    const { body } = await get(`opportunities?flowId=${FLOW}`)
    expect(body.segments).toMatchObject([{ attribute: 'device', value: 'phone' }])
    expect(body.segments[0].q).toBeLessThan(0.001)
    const { path, body: query } = body.segments[0].query
    const shown = await analyst.post(`${path}?after=${after}`, query)
    const phone = shown.body.breakdowns.find((group: any) => group.value === 'phone')
    expect(phone.steps[1].count).toBe(body.segments[0].completed)
  })

  test('of a flow that is not there is 404', async () => {
    expect((await get('opportunities?flowId=none')).status).toBe(404)
  })
})

test('insights are for analysts, of their own tenant', async () => {
  const other = await service.as('globex', 'eve', 'analyst')
  const participant = await service.as('acme', 'u1', 'participant')
  for (const path of ['behavior/s1', 'prediction/s1', `opportunities?flowId=${FLOW}`]) {
    expect((await get(path, participant)).status).toBe(403)
    expect((await get(path, other)).status).toBe(404)
  }
  expect((await get('prediction/nobody')).status).toBe(404)
  expect((await get('behavior/s1?asOf=yesterday')).status).toBe(422)
})
