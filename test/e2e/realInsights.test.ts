import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { importHistory, publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { needsSharedData, sharedCsv, sharedMissing } from '../support/sharedData.ts'

const timeout = 120_000
const CASES = 1500
const ENDS: Readonly<Record<string, string>> = {
  A_ACTIVATED: 'completed',
  A_DECLINED: 'abandoned',
  A_CANCELLED: 'abandoned',
}

/** Loan applications at a bank (BPI Challenge 2012): those activated were completed, those declined or cancelled abandoned. */
describe.skipIf(sharedMissing)(`insights into a real history${needsSharedData}`, { timeout }, () => {
  let service: TestService
  let analyst: Client
  let after: string

  beforeAll(async () => {
    service = await startTestService()
    const admin = await service.as('bank', 'ada', 'admin')
    analyst = await service.as('bank', 'ann', 'analyst')
    await publish(admin, 'loan', ['A_SUBMITTED'])
    const cases = new Set<string>()
    const lines = sharedCsv('bpi2012.csv.gz').flatMap((row) => {
      const { case_id: session = '', activity: step = '', timestamp_utc: at } = row
      if (cases.size < CASES) cases.add(session)
      if (!cases.has(session)) return []
      const status = ENDS[step]
      return [{ session, step, at }, ...(status ? [{ session, status, at }] : [])]
    })
    after = await importHistory(admin, 'loan', lines)
  }, timeout)
  afterAll(() => service?.stop(), timeout)

  /** The index may need some seconds more than the import. */
  const get = async (path: string) => {
    for (;;) {
      const answer = await analyst.get(`/onboarding/${path}${path.includes('?') ? '&' : '?'}after=${after}`)
      if (answer.status !== 503) return answer
    }
  }

  test('a model tells completed applications from others that it has not seen, and its chances come true', async () => {
    const { status, body } = await get('prediction/173688?asOf=2011-10-01T12:00:00Z')
    expect(status).toBe(200)
    const { auc, brier, trainedOn } = body.model
    expect(trainedOn).toBeGreaterThan(900)
    expect(auc).toBeGreaterThan(0.65)
    expect(brier).toBeLessThan(0.22)
    for (const { predicted, observed } of body.model.completion.calibration)
      expect(Math.abs(predicted - observed)).toBeLessThan(0.15)
    expect(body.factors.length).toBeGreaterThan(5)
  })

  test('behaviour and opportunities are answered', async () => {
    const behavior = await get('behavior/173688')
    expect(behavior.body).toMatchObject({ status: 'completed', difficulty: { rule: expect.any(String) } })
    expect(behavior.body.steps.length).toBeGreaterThan(10)
    const { body } = await get('opportunities?flowId=loan')
    expect(body.sessions.all).toBe(CASES)
    expect(body.steps[0].completionsToWin).toBeGreaterThan(body.steps[1].completionsToWin)
    const shown = await analyst.post(body.steps[0].query.path, body.steps[0].query.body)
    expect(shown.status).toBe(200)
  })
})
