import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCommandKeys } from '../../src/commands/commandKeys.ts'
import { startExperiments } from '../../src/commands/experiments.ts'
import { createHandle } from '../../src/commands/handle.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import type { Analysis } from '../../src/projections/analysis/analysisIndex.ts'
import { startBandits } from '../../src/reactions/bandits.ts'
import type { LeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { startTestAnalysis } from '../support/analysisNode.ts'
import type { Client } from '../support/client.ts'
import { importHistory, publish } from '../support/history.ts'
import { startTestService, type TestService } from '../support/service.ts'

let service: TestService
let admin: Client
let bandits: LeasedSchedule
let analysis: Analysis
const closing: (() => unknown)[] = []
const faults: unknown[] = []

/** A service, and a second node on its database whose schedule is looked at here. */
beforeAll(async () => {
  service = await startTestService()
  closing.push(() => service.stop())
  admin = await service.as('acme', 'root', 'admin')
  await publish(admin, 'shop', ['done'])

  const { connectionString } = service
  const logger = pino({ level: 'silent' })
  const onError = (error: unknown) => faults.push(error)
  const store = await createPostgresEventStore({ connectionString, logger })
  closing.push(() => store.close())
  const commandKeys = await createCommandKeys({ connectionString, relaxed: true })
  closing.push(() => commandKeys.close())
  const pool = new pg.Pool({ connectionString, max: 4 })
  closing.push(() => pool.end())
  const handle = createHandle({ store, commandKeys })
  const experiments = await startExperiments({ store, handle, onError })
  closing.push(() => experiments.stop())
  analysis = await startTestAnalysis(connectionString, logger)
  closing.push(() => analysis.stop())
  const now = () => new Date()
  bandits = startBandits({ pool, handle, experiments, analysis, now, onError, everyMs: 3_600_000 })
  closing.push(() => bandits.stop())
})
afterAll(async () => {
  for (const close of closing.reverse()) await close()
})

const start = async (key: string, mode: string) => {
  const { status } = await admin.post('/experiments', {
    key,
    flowId: 'shop',
    unit: 'session',
    mode,
    variants: ['a', 'b'].map((variant) => ({ key: variant, weight: 1 })),
    metrics: [
      { key: 'done', type: 'conversion', filter: { step: 'done' }, direction: 'increase', role: 'primary' },
    ],
  })
  expect(status).toBe(201)
  return (await admin.post(`/experiments/${key}/start`)).headers.get('gangway-position')!
}
const weightsOf = async (key: string): Promise<number[]> =>
  (await admin.get(`/experiments/${key}`)).body.weights

test('a running bandit gives more units to what does better, as an event, and analyses each by its own weights', async () => {
  await start('fixed', 'fixed')
  const begun = await start('arms', 'bandit')
  expect(await bandits.look()).toBe(0)
  expect(await weightsOf('arms')).toEqual([0.5, 0.5])

  // 200 sessions are assigned and shown their variant; of b's more come to the end.
  const shown: object[] = []
  const at = new Date().toISOString()
  for (let i = 0; i < 200; i++) {
    const session = `s${i}`
    const { body } = await admin.post('/experiments/arms/assign', { sessionId: session })
    for (const experiment of ['arms', 'fixed'])
      shown.push({ session, exposure: { experiment, variant: body.variant }, at })
    if (i % 20 < (body.variant === 'b' ? 12 : 8)) shown.push({ session, step: 'done', at })
  }
  const position = await importHistory(admin, 'shop', shown)
  expect(BigInt(position)).toBeGreaterThan(BigInt(begun))
  expect(await analysis.reached(position, 10_000)).toEqual({ is: 'done' })
  expect(await bandits.look()).toBe(1)

  const weights = await weightsOf('arms')
  expect(weights[1]).toBeGreaterThan(0.8)
  expect(weights[0]! + weights[1]!).toBeCloseTo(1, 12)
  expect(await weightsOf('fixed')).toEqual([0.5, 0.5])
  const { body: history } = await admin.get('/audit/streams/experiment-acme_arms')
  expect(history.data.at(-1)).toMatchObject({
    type: 'ExperimentReweighted',
    data: { weights },
    metadata: { actor: { role: 'system' } },
  })

  // Who was assigned before keeps their variant; who comes now mostly meets b.
  const again = await admin.post('/experiments/arms/assign', { sessionId: 's0' })
  expect(again.body.variant).toBe((shown[0] as { exposure: { variant: string } }).exposure.variant)
  let b = 0
  const later: object[] = []
  for (let i = 200; i < 260; i++) {
    const { body } = await admin.post('/experiments/arms/assign', { sessionId: `s${i}` })
    if (body.variant === 'b') b += 1
    later.push({ session: `s${i}`, exposure: { experiment: 'arms', variant: body.variant }, at })
  }
  expect(b).toBeGreaterThan(40)
  // Sixty to forty a hundred would be a mismatch of the ratio, were it not for the weights they were assigned by.
  const after = await importHistory(admin, 'shop', later)
  const { body: results } = await admin.get(`/experiments/arms/results?after=${after}`)
  expect(results).toMatchObject({ assigned: 260, exposed: 260, srm: { verdict: 'ok' }, weights })
  expect(results.nextWeights).toHaveLength(2)
  expect(faults).toEqual([])
})
