import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { familiesOf } from '../../src/projections/family.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { rebuild } from '../../src/projections/rebuild.ts'
import type { Client } from '../support/client.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { needsSharedData, sharedCsv, sharedJson, sharedMissing } from '../support/sharedData.ts'
import { analysedAsAnotherToolDoes, walkedCaseByCase } from './eventLogs.ts'
import { type Ask, analystAsking, chunks } from './realData.ts'

// 300,000 events in, read again, verified and rebuilt: seconds on an idle machine, more on a busy one.
const timeout = 180_000

interface Log {
  readonly name: string
  readonly sessions: number
  readonly events: number
}

const logs: readonly Log[] = [
  { name: 'bpi2012', sessions: 13_087, events: 262_200 },
  { name: 'helpdesk', sessions: 4580, events: 21_348 },
  { name: 'sepsis', sessions: 1050, events: 15_214 },
]

describe.skipIf(sharedMissing)(`years of history from real systems${needsSharedData}`, { timeout }, () => {
  let service: TestService
  const admins = new Map<string, Client>()
  const positions: Record<string, string> = {}
  const asks: Record<string, Ask> = {}
  beforeAll(async () => {
    service = await startTestService()
    for (const { name } of logs) {
      const admin = await service.as(name, 'ada', 'admin')
      admins.set(name, admin)
      const flow = { id: name, title: name, steps: [{ id: 'done', title: 'Done', kind: 'external' }] }
      expect((await admin.post('/flows', flow)).status).toBe(201)
    }
  })
  afterAll(() => service.stop())

  describe.each(logs)('$name', ({ name, sessions, events }) => {
    test('goes in whole, a session a case and an event a row', async () => {
      const answer = await admins.get(name)!.importLines(name, history(name))
      expect(answer.body).toMatchObject({ rows: events, sessions, events, rejected: [] })
      positions[name] = answer.body.position
    })

    test('adds nothing when it comes again', async () => {
      const answer = await admins.get(name)!.importLines(name, history(name))
      expect(answer.body).toMatchObject({ rows: events, sessions: 0, events: 0, rejected: [] })
    })

    test('is counted step by step as another tool counts the file', async () => {
      const admin = admins.get(name)!
      const { position } = (await admin.importLines(name, '')).body
      const { body } = await admin.get(`/onboarding/statistics?flowId=${name}&after=${position}`)
      const counted = Object.fromEntries(
        body.steps
          .filter((step: { submitted: number }) => step.submitted > 0)
          .map((step: { stepId: string; submitted: number }) => [step.stepId, step.submitted]),
      )
      const reference = sharedJson('data', 'answers', 'event_logs.json').logs[name]
      expect(counted).toEqual(reference.activity_event_counts)
      expect(body.counts).toEqual({ active: sessions, paused: 0, completed: 0, abandoned: 0 })
    })

    const ask: Ask = async (path, query) => {
      asks[name] ??= analystAsking(await service.as(name, 'ann', 'analyst'), name, positions[name]!)
      return asks[name](path, query)
    }
    analysedAsAnotherToolDoes(name, ask)
    if (name === 'sepsis') walkedCaseByCase(ask)

    test('verifies, event by event', async () => {
      const auditor = await service.as(name, 'max', 'auditor')
      const { body } = await auditor.get('/audit/verify')
      expect(body).toMatchObject({ ok: true })
      expect(body.events).toBeGreaterThan(events + sessions)
    })
  })

  test('read models built anew are byte for byte those that grew with the log', async () => {
    const store = await createPostgresEventStore({ connectionString: service.connectionString })
    for (const family of familiesOf(readModels)) {
      const report = await rebuild({
        store,
        connectionString: service.connectionString,
        family,
        signal: AbortSignal.timeout(120_000),
      })
      expect(report.comparison, family.name).toMatchObject({ equal: true })
    }
    await store.close()
  })
})

const history = (name: string) =>
  chunks(
    sharedCsv(`${name}.csv.gz`).map(({ case_id, activity, timestamp_utc }) => ({
      session: case_id,
      step: activity,
      at: timestamp_utc,
    })),
  )
