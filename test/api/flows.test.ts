import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import type { Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

const flow = (more: object = {}) => ({
  id: 'desk',
  title: 'Desk',
  steps: [{ id: 'welcome', title: 'Welcome', kind: 'content' }],
  ...more,
})

let database: TestDatabase
let node: ApiNode
let admin: Client

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  admin = await node.client('acme', 'root', 'admin')
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

test('publishing makes the next version, also of the same again', async () => {
  const first = await admin.post('/flows', flow())
  expect(first.status).toBe(201)
  expect(first.body).toEqual({
    flowId: 'desk',
    version: 1,
    position: first.headers.get('gangway-position'),
  })
  expect(first.headers.get('etag')).toBe('"0"')
  const second = await admin.post('/flows', flow())
  expect(second.body.version).toBe(2)
  const third = await admin.post('/flows', flow({ title: 'Desk, again' }), { 'idempotency-key': 'third' })
  const again = await admin.post('/flows', flow({ title: 'Desk, again' }), { 'idempotency-key': 'third' })
  expect(again.status).toBe(201)
  expect(again.body).toEqual(third.body)
  const { body: latest } = await admin.get('/flows/desk')
  expect(latest).toMatchObject({ flowId: 'desk', version: 3, definition: { title: 'Desk, again' } })
  const { body: old } = await admin.get('/flows/desk/versions/1')
  expect(old).toMatchObject({ version: 1, definition: flow() })
  const { body: list } = await admin.get(`/flows?after=${third.body.position}`)
  expect(list).toMatchObject({ data: [{ flowId: 'desk', version: 3 }], nextCursor: null })
  for (const version of ['4', '0', 'x', '-1', '1.0', '99999999999'])
    expect((await admin.get(`/flows/desk/versions/${version}`)).status).toBe(404)
})

test('a bad flow is refused with every fault found, and nothing is published', async () => {
  const step = (id: string, more: object = {}) => ({ id, title: id, kind: 'form', ...more })
  const { status, body } = await admin.post(
    '/flows',
    flow({
      id: 'bad',
      steps: [
        step('a', { dependsOn: ['b'] }),
        step('b', { dependsOn: ['a'] }),
        step('c', { dependsOn: ['nowhere'] }),
        step('c'),
        step('d', { visibleWhen: 'answers.' }),
        step('e', { visibleWhen: '1 + 1' }),
        step('f', { schema: { type: 'nonsense' } }),
      ],
    }),
  )
  expect(status).toBe(422)
  const pointers = body.errors.map((error: { pointer: string }) => error.pointer)
  for (const at of [
    '/steps/2/dependsOn',
    '/steps/3',
    '/steps/4/visibleWhen',
    '/steps/5/visibleWhen',
    '/steps/6/schema',
  ])
    expect(pointers.some((pointer: string) => pointer.startsWith(at))).toBe(true)
  expect(pointers.some((pointer: string) => /^\/steps\/[01]\/dependsOn/.test(pointer))).toBe(true)
  expect((await admin.get('/flows/bad')).status).toBe(404)
})

test('the shape of a definition is checked as any body is', async () => {
  const { status, body } = await admin.post('/flows', {
    id: 'shape',
    title: 7,
    colour: 'red',
    steps: [{ id: 'a', kind: 'dance', title: 'A' }],
  })
  expect(status).toBe(422)
  const pointers = body.errors.map((error: { pointer: string }) => error.pointer)
  expect(pointers).toEqual(expect.arrayContaining(['/title', '/colour', '/steps/0/kind']))
})

test('flows are listed in pages', async () => {
  const pages = await node.client('pages', 'root', 'admin')
  let after = ''
  for (const id of ['a', 'b', 'c', 'd', 'e']) after = (await pages.post('/flows', flow({ id }))).body.position
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await pages.get(`/flows?limit=2&after=${after}${cursor && `&cursor=${cursor}`}`)
    seen.push(...body.data.map((item: { flowId: string }) => item.flowId))
    cursor = body.nextCursor ?? ''
  } while (cursor)
  expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'])
})

describe('a session', () => {
  test('stays on the version it was started on', async () => {
    const client = await node.client('versions', 'root', 'admin')
    await client.post('/flows', flow())
    const { body: session } = await client.post('/onboarding/start', { flowId: 'desk' })
    await client.post('/flows', flow({ steps: [{ id: 'other', title: 'Other', kind: 'content' }] }))
    expect((await client.get(`/onboarding/session/${session.id}`)).body).toMatchObject({
      flowVersion: 1,
      currentStep: 'welcome',
    })
    expect((await client.post('/onboarding/start', { flowId: 'desk' })).body).toMatchObject({
      flowVersion: 2,
      currentStep: 'other',
    })
  })
})
