import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startTestService, type TestService } from '../support/service.ts'

let service: TestService
let admin: Client
beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('imports', 'ada', 'admin')
  const flow = { id: 'f', title: 'F', steps: [{ id: 'a', title: 'A', kind: 'form' }] }
  expect((await admin.post('/flows', flow)).status).toBe(201)
})
afterAll(() => service.stop())

const lines = '{"session":"s 1/ü","step":"a","at":"2020-01-01T00:00:00Z"}\nnonsense\n'
const send = (body: string, headers: Record<string, string> = {}) =>
  admin.send('POST', '/imports?flowId=f', body, { 'content-type': 'application/x-ndjson', ...headers })

test('an import answers what it took in, what it refused, and from where on it can be read', async () => {
  const answer = await send(lines)
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({
    rows: 2,
    sessions: 1,
    events: 1,
    rejected: [{ line: 2, code: 'malformed_json' }],
  })
  expect(answer.headers.get('gangway-position')).toBe(answer.body.position)
  const session = await admin.get(
    `/onboarding/session/${encodeURIComponent('s 1/ü')}?after=${answer.body.position}`,
  )
  expect(session.body).toMatchObject({ id: 's 1/ü', completedSteps: ['a'], status: 'active', userId: null })
})

test('a repeated key is answered as the first time, and other content under it is refused', async () => {
  const key = { 'idempotency-key': 'import-1' }
  const first = await send('{"session":"k","step":"a","at":"2020-01-01"}', key)
  const again = await send('{"session":"k","step":"a","at":"2020-01-01"}', key)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  const other = await send('{"session":"k","step":"b","at":"2020-01-01"}', key)
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused'])
})

test('nothing to import is an import of nothing', async () => {
  expect((await send('')).body).toMatchObject({ rows: 0, sessions: 0, events: 0 })
})

test('only an admin imports, only lines, only into a flow there is', async () => {
  const member = await service.as('imports', 'lea', 'member')
  const body = { 'content-type': 'application/x-ndjson' }
  expect((await member.send('POST', '/imports?flowId=f', lines, body)).status).toBe(403)
  expect(await admin.post('/imports?flowId=f', {})).toMatchObject({
    status: 415,
    body: {
      code: 'unsupported_media_type',
      detail: 'The body must be application/x-ndjson, not application/json.',
    },
  })
  expect((await admin.send('POST', '/imports?flowId=none', lines, body)).status).toBe(404)
  expect((await admin.send('POST', '/imports', lines, body)).status).toBe(422)
})
