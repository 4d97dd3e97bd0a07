import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createModels, modelAggregate } from '../../src/commands/models.ts'
import { type Analysis, startAnalysis } from '../../src/projections/analysis/analysisIndex.ts'
import { trainOnFlowOf } from '../../src/projections/analysis/trainOnFlow.ts'
import type { LeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { startModelTraining } from '../../src/reactions/modelTraining.ts'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record } from '../support/log.ts'

let database: TestDatabase
let node: ApiNode
let analysis: Analysis
let folder: string
let training: LeasedSchedule
let other: LeasedSchedule
const faults: unknown[] = []

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  folder = await mkdtemp(join(tmpdir(), 'gangway-models-'))
  analysis = startAnalysis({
    databaseUrl: database.connectionString,
    eventStoreUrl: undefined,
    folder,
    keeping: false,
    logger: node.deps.logger,
  })
  const models = createModels({ ...node.deps, train: trainOnFlowOf(analysis) })
  const start = () =>
    startModelTraining({
      pool: node.deps.pool,
      models,
      onError: (error) => faults.push(error),
      everyMs: 3_600_000,
    })
  training = start()
  other = start()
}, 60_000)

afterAll(async () => {
  await training?.stop()
  await other?.stop()
  await analysis?.stop()
  await node?.stop()
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

let ended = 0
/** Sessions of which every other one is completed, those with a help signal less often. */
async function endSessions(count: number): Promise<void> {
  let position = '0'
  for (let n = 0; n < count; n++) {
    const id = `s${ended++}`
    const helped = n % 3 === 0
    const end =
      n % 2 === 0 && !helped
        ? { type: 'SessionCompleted', data: {} }
        : { type: 'SessionAbandoned', data: { reason: 'requested' } }
    const recorded = await record(node.deps.store, 'acme', id, [
      { type: 'SessionStarted', data: { flowId: 'desk', flowVersion: 1, userId: null, context: {} } },
      ...(helped ? [{ type: 'SignalTracked', data: { signal: 'help' } }] : []),
      end,
    ])
    position = recorded.position
  }
  await analysis.reached(position, 10_000)
  await node.deps.readModels.waitFor('sessions', position, 10_000)
}
const latest = async () => (await node.deps.handle.load(modelAggregate, 'acme', 'desk'))?.state.latest

test('a flow gets a model when enough sessions have ended, and a new version as they grow in number', async () => {
  await endSessions(199)
  expect(await training.look()).toBe(0)
  expect(await latest()).toBeUndefined()
  await endSessions(1)
  expect(await training.look()).toBe(1)
  expect(await latest()).toMatchObject({ version: 1, finished: 200, flowId: 'desk' })

  await endSessions(10)
  expect(await training.look()).toBe(0)
  await endSessions(10)
  const looks = await Promise.all([training.look(), other.look()])
  expect(looks.reduce((sum, count) => sum + count)).toBe(1)
  expect(await latest()).toMatchObject({ version: 2, finished: 220 })
  expect(faults).toEqual([])
})
