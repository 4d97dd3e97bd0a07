import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDifficultyWatch } from '../../src/reactions/difficulty.ts'
import type { LeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { startAnalysisNode } from '../support/analysisNode.ts'
import type { Client } from '../support/client.ts'
import { record } from '../support/log.ts'

const OTHERS = 24

let node: Awaited<ReturnType<typeof startAnalysisNode>>
let admin: Client
let watch: LeasedSchedule
let second: LeasedSchedule
let latest = '0'
const faults: unknown[] = []

beforeAll(async () => {
  node = await startAnalysisNode()
  admin = await node.client('acme', 'root', 'admin')
  await admin.post('/flows', {
    id: 'desk',
    title: 'Desk',
    steps: [
      {
        id: 'a',
        title: 'A',
        kind: 'form',
        schema: { type: 'object', required: ['size'], properties: { size: { type: 'integer' } } },
      },
      { id: 'b', title: 'B', kind: 'form' },
    ],
  })
  for (let n = 0; n < OTHERS; n++) await submit(await begun(), 'a', { size: n })
  watch = start()
  second = start()
}, 60_000)

afterAll(async () => {
  await watch?.stop()
  await second?.stop()
  await node?.stop()
})

const start = () =>
  startDifficultyWatch({
    ...node.deps,
    analysis: node.analysis,
    onError: (error) => faults.push(error),
    everyMs: 3_600_000,
  })

async function begun(): Promise<string> {
  return (await admin.post('/onboarding/start', { flowId: 'desk' })).body.id
}
async function submit(id: string, step: string, data: object): Promise<number> {
  const { status, headers } = await admin.put(`/onboarding/step/${id}/${step}`, { data })
  latest = headers.get('gangway-position') ?? latest
  return status
}
/** A look once everything so far has been seen. */
async function look(by = watch): Promise<number> {
  await node.analysis.reached(latest, 10_000)
  await admin.get(`/onboarding/sessions?after=${latest}`)
  return by.look()
}
const eventsOf = (id: string) => Array.fromAsync(node.deps.store.read(`session-acme_${id}`))

test('a session whose submissions keep failing is found in difficulty, once, with the evidence', async () => {
  const id = await begun()
  for (let n = 0; n < 4; n++) expect(await submit(id, 'a', { size: 'large' })).toBe(422)
  expect(await look()).toBe(1)
  const before = (await admin.get(`/onboarding/session/${id}`)).body
  const found = (await eventsOf(id)).at(-1)!
  expect(found).toMatchObject({
    type: 'DifficultyDetected',
    data: {
      stepId: 'a',
      evidence: expect.arrayContaining([
        { measure: 'failedValidations', value: 4, limit: 0, quantile: 1, comparedWith: OTHERS },
      ]),
    },
    metadata: { actor: { role: 'system' } },
  })

  latest = found.position
  expect(await look()).toBe(0)
  await submit(id, 'a', { size: 'huge' })
  expect(await look()).toBe(0)
  expect(await look(second)).toBe(0)
  const types = (await eventsOf(id)).map(({ type }) => type)
  expect(types.filter((type) => type === 'DifficultyDetected')).toHaveLength(1)
  expect(before).toMatchObject({ status: 'active', currentStep: 'a' })
  expect(faults).toEqual([])
})

test('nobody else is, and no session of the past', async () => {
  const fine = await begun()
  await submit(fine, 'a', { size: 'once' })
  await submit(fine, 'a', { size: 1 })
  const failed = { type: 'StepValidationFailed', data: { stepId: 'a', errors: [] } } as const
  const { position } = await record(node.deps.store, 'acme', 'old', [
    {
      type: 'SessionStarted',
      data: { flowId: 'desk', flowVersion: 1, userId: null, context: {}, imported: true },
    },
    ...new Array(5).fill(failed),
  ])
  latest = position
  expect(await look()).toBe(0)
  expect((await eventsOf('old')).map(({ type }) => type)).not.toContain('DifficultyDetected')
})
