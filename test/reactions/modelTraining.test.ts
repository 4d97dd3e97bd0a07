import { afterAll, beforeAll, expect, test } from 'vitest'
import { createModels, modelAggregate } from '../../src/commands/models.ts'
import { trainOnFlowOf } from '../../src/projections/analysis/trainOnFlow.ts'
import type { LeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { startModelTraining } from '../../src/reactions/modelTraining.ts'
import { startAnalysisNode } from '../support/analysisNode.ts'
import { record } from '../support/log.ts'

let node: Awaited<ReturnType<typeof startAnalysisNode>>
let training: LeasedSchedule
let other: LeasedSchedule
const faults: unknown[] = []

beforeAll(async () => {
  node = await startAnalysisNode()
  const models = createModels({ ...node.deps, train: trainOnFlowOf(node.analysis) })
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
  await node?.stop()
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
  await node.analysis.reached(position, 10_000)
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
