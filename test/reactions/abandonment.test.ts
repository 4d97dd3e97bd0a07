import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAbandonment } from '../../src/reactions/abandonment.ts'
import type { LeasedSchedule } from '../../src/reactions/leasedSchedule.ts'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import type { Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { record } from '../support/log.ts'

const HOUR = 3_600_000
let database: TestDatabase
let node: ApiNode
let admin: Client
/** What the schedule takes for now. */
let clock = Date.now()
let schedule: LeasedSchedule
const faults: unknown[] = []

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  admin = await node.client('acme', 'root', 'admin')
  await admin.post('/flows', {
    id: 'desk',
    title: 'Desk',
    abandonAfterHours: 48,
    steps: [{ id: 'a', title: 'A', kind: 'form' }],
  })
  schedule = start()
})

afterAll(async () => {
  await schedule.stop()
  await node.stop()
  await database.drop()
})

const start = () =>
  startAbandonment({
    ...node.deps,
    now: () => new Date(clock),
    onError: (error) => faults.push(error),
    everyMs: 3_600_000,
  })

async function begun(): Promise<string> {
  const { body, headers } = await admin.post('/onboarding/start', { flowId: 'desk' })
  await admin.get(`/onboarding/sessions?after=${headers.get('gangway-position')}`)
  return body.id
}
const status = async (id: string) => (await admin.get(`/onboarding/session/${id}`)).body.status

test('a session in which nothing happened for the hours of its flow is given up, once, by the system', async () => {
  const id = await begun()
  clock = Date.now() + 47 * HOUR
  expect(await schedule.look()).toBe(0)
  clock = Date.now() + 49 * HOUR
  expect(await schedule.look()).toBe(1)
  const events = await Array.fromAsync(node.deps.store.read(`session-acme_${id}`))
  expect(events.at(-1)).toMatchObject({
    type: 'SessionAbandoned',
    data: { reason: 'inactivity' },
    metadata: { actor: { role: 'system' }, occurredAt: new Date(clock).toISOString() },
  })
  expect(await status(id)).toBe('abandoned')
  expect(await schedule.look()).toBe(0)
  expect(faults).toEqual([])
})

test('one that rests, one that has ended and one that is history are left alone', async () => {
  const [paused, completed] = [await begun(), await begun()]
  await admin.post(`/onboarding/pause/${paused}`)
  await admin.put(`/onboarding/step/${completed}/a`, { data: {} })
  await admin.post(`/onboarding/complete/${completed}`)
  const { position } = await record(
    node.deps.store,
    'acme',
    'imported',
    [
      {
        type: 'SessionStarted',
        data: { flowId: 'desk', flowVersion: 1, userId: null, context: {}, imported: true },
      },
    ],
    '2011-01-01T00:00:00.000Z',
  )
  await admin.get(`/onboarding/sessions?after=${position}`)
  clock = Date.now() + 1000 * HOUR
  expect(await schedule.look()).toBe(0)
  expect(await status(paused)).toBe('paused')
  expect(await status(completed)).toBe('completed')
  expect(await status('imported')).toBe('active')
})

test('of two nodes that look at once each session is given up once', async () => {
  const ids = [await begun(), await begun(), await begun()]
  clock = Date.now() + 49 * HOUR
  const other = start()
  const counts = await Promise.all([schedule.look(), other.look()])
  await schedule.look()
  await other.stop()
  expect(counts[0] + counts[1]).toBeLessThanOrEqual(3)
  for (const id of ids) {
    const events = await Array.fromAsync(node.deps.store.read(`session-acme_${id}`))
    expect(events.filter(({ type }) => type === 'SessionAbandoned')).toHaveLength(1)
  }
})
