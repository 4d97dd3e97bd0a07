import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import type { Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

const version1 = {
  id: 'desk',
  title: 'Desk',
  steps: [
    { id: 'company', title: 'Company', kind: 'form' },
    { id: 'tour', title: 'Tour', kind: 'content' },
    { id: 'team', title: 'Team', kind: 'form' },
  ],
}
const version2 = {
  id: 'desk',
  title: 'Desk',
  steps: [
    {
      id: 'organisation',
      title: 'Organisation',
      kind: 'form',
      schema: { type: 'object', required: ['size'], properties: { size: { type: 'integer' } } },
    },
    { id: 'team', title: 'Team', kind: 'form' },
  ],
}
const renamed = { company: 'organisation' }

let database: TestDatabase
let node: ApiNode

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

/** A tenant with both versions published and sessions on the first: fresh, half way, paused, completed, given up. */
async function tenant(name: string) {
  const admin = await node.client(name, 'root', 'admin')
  await admin.post('/flows', version1)
  const begin = async () => (await admin.post('/onboarding/start', { flowId: 'desk' })).body.id as string
  const submit = (id: string, step: string, data: unknown) =>
    admin.put(`/onboarding/step/${id}/${step}`, { data })
  const [fresh, half, paused, completed, abandoned] = [
    await begin(),
    await begin(),
    await begin(),
    await begin(),
    await begin(),
  ]
  await submit(half, 'company', { name: 'Acme' })
  await submit(half, 'tour', {})
  await admin.post(`/onboarding/pause/${paused}`)
  for (const step of ['company', 'tour', 'team']) await submit(completed, step, {})
  await admin.post(`/onboarding/complete/${completed}`)
  await admin.post(`/onboarding/abandon/${abandoned}`)
  await admin.post('/flows', version2)
  return { admin, fresh, half, paused, completed, abandoned, begin }
}

const migrate = (admin: Client, more: object = {}, headers = {}) =>
  admin.post('/flows/desk/migrations', { from: 1, to: 2, steps: renamed, ...more }, headers)
const ids = (sessions: { sessionId: string }[]) => sessions.map(({ sessionId }) => sessionId).sort()

test('a dry run tells what would become of each session in flight, and does nothing', async () => {
  const { admin, fresh, half, paused } = await tenant('dry')
  const head = await node.deps.store.head()
  const { status, body } = await migrate(admin, { dryRun: true })
  expect(status).toBe(200)
  expect(body).toMatchObject({ flowId: 'desk', from: 1, to: 2, dryRun: true, moved: 3 })
  expect(ids(body.sessions)).toEqual([fresh, half, paused].sort())
  expect(body.sessions.find((session: { sessionId: string }) => session.sessionId === half)).toEqual({
    sessionId: half,
    outcome: 'moved',
    progress: { before: 66, after: 50 },
    currentStep: { before: 'team', after: 'team' },
    left: ['tour'],
    invalid: ['organisation'],
  })
  expect(await node.deps.store.head()).toBe(head)
})

test('a migration moves them, with their answers under the new names, and leaves the others', async () => {
  const { admin, fresh, half, paused, completed, abandoned } = await tenant('real')
  const dry = await migrate(admin, { dryRun: true })
  const real = await migrate(admin)
  expect(real.body).toMatchObject({ dryRun: false, moved: 3, sessions: dry.body.sessions })
  expect(real.headers.get('gangway-position')).toMatch(/^\d+$/)
  const session = async (id: string) => (await admin.get(`/onboarding/session/${id}`)).body
  expect(await session(half)).toMatchObject({
    flowVersion: 2,
    stepData: { organisation: { name: 'Acme' } },
    completedSteps: ['organisation'],
    progress: 50,
    currentStep: 'team',
  })
  expect(await session(fresh)).toMatchObject({ flowVersion: 2, currentStep: 'organisation' })
  expect(await session(paused)).toMatchObject({ flowVersion: 2, status: 'paused' })
  expect(await session(completed)).toMatchObject({ flowVersion: 1, status: 'completed' })
  expect(await session(abandoned)).toMatchObject({ flowVersion: 1, status: 'abandoned' })
  const types = (await Array.fromAsync(node.deps.store.read(`session-real_${half}`))).map(({ type }) => type)
  expect(types.filter((type) => type === 'SessionMigrated')).toHaveLength(1)
  expect((await migrate(admin)).body.sessions).toEqual([])
})

test('a repeat gets the first answer, though there is nothing left to move', async () => {
  const { admin } = await tenant('repeat')
  const key = { 'idempotency-key': 'once' }
  const first = await migrate(admin, {}, key)
  const again = await migrate(admin, {}, key)
  expect(first.body.moved).toBe(3)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  for (const header of ['etag', 'gangway-position'])
    expect(again.headers.get(header)).toBe(first.headers.get(header))
  const other = await migrate(admin, { steps: {} }, key)
  expect(other.body.code).toBe('idempotency_key_reused')
  const back = await migrate(admin, { from: 2, to: 1, steps: { organisation: 'company' } })
  expect(back.body.moved).toBe(3)
  expect((await migrate(admin, {}, key)).body).toEqual(first.body)
  const { body: session } = await admin.get(`/onboarding/session/${first.body.sessions[0].sessionId}`)
  expect(session.flowVersion).toBe(1)
})

test('two at once on two nodes move each session once and tell the same', async () => {
  const { admin, begin } = await tenant('twice')
  const more: string[] = []
  await admin.post('/flows', version1)
  for (let i = 0; i < 30; i++) more.push(await begin())
  await admin.post('/flows', version2)
  const other = await startApiNode(database.connectionString)
  const there = await other.client('twice', 'root', 'admin')
  const key = { 'idempotency-key': 'both' }
  const answers = await Promise.all([
    migrate(admin, { from: 3, to: 4 }, key),
    migrate(there, { from: 3, to: 4 }, key),
  ])
  for (const { status, body } of answers) {
    expect(status).toBe(200)
    expect(ids(body.sessions)).toEqual(more.sort())
  }
  expect(answers[0].body.sessions).toEqual(answers[1].body.sessions)
  for (const id of more) {
    const events = await Array.fromAsync(node.deps.store.read(`session-twice_${id}`))
    expect(events.map(({ type }) => type)).toEqual(['SessionStarted', 'SessionMigrated'])
  }
  await other.stop()
})

describe('is refused', () => {
  test.each([
    ['an unknown step of the old version', { steps: { nowhere: 'team' } }, '/steps/nowhere'],
    ['an unknown step of the new version', { steps: { company: 'nowhere' } }, '/steps/company'],
    ['two steps becoming one', { steps: { company: 'team' } }, '/steps/company'],
    ['a version there is not', { to: 9 }, '/to'],
    ['the same version', { to: 1, steps: {} }, '/to'],
    ['a version that is none', { from: '1' }, '/from'],
  ])('%s', async (_, more, pointer) => {
    const admin = await node.client('faults', 'root', 'admin')
    if ((await admin.get('/flows/desk')).status === 404) {
      await admin.post('/flows', version1)
      await admin.post('/flows', version2)
    }
    for (const dryRun of [true, false]) {
      const { status, body } = await migrate(admin, { ...more, dryRun })
      expect(status).toBe(422)
      expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
    }
  })

  test('who is not an admin, and a flow that is not there', async () => {
    const member = await node.client('real', 'mia', 'member')
    expect((await migrate(member)).status).toBe(403)
    const admin = await node.client('nothing-here', 'root', 'admin')
    expect((await migrate(admin)).status).toBe(404)
  })
})
