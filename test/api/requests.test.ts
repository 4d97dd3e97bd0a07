import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueToken } from '../../src/api/auth.ts'
import { createLocalRateLimiter } from '../../src/services/rateLimit.ts'
import { type ApiNode, jwtSecret, startApiNode } from '../support/apiNode.ts'
import type { Answer, Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

const flow = {
  id: 'welcome',
  title: 'Welcome',
  steps: [
    {
      id: 'name',
      title: 'Name',
      kind: 'form',
      schema: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, size: { type: 'integer', minimum: 1 } },
      },
    },
    { id: 'tour', title: 'Tour', kind: 'content', required: false },
  ],
}

let database: TestDatabase
let node: ApiNode
let admin: Client
let ann: Client

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  admin = await node.client('acme', 'root', 'admin')
  ann = await node.client('acme', 'ann', 'participant')
  expect((await admin.post('/flows', flow)).status).toBe(201)
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

const started = async (as = ann): Promise<Answer> => as.post('/onboarding/start', { flowId: 'welcome' })

function expectProblem(answer: Answer, status: number, code: string) {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code })
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  expect(answer.body).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status,
    detail: expect.any(String),
    instance: expect.any(String),
  })
}

/** A request of any shape, also one that fetch would not send. */
function raw(
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(node.url)
    const sent = httpRequest({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: response.statusCode!,
          headers: new Headers(response.headers as Record<string, string>),
          body: text.startsWith('{') ? JSON.parse(text) : text,
        })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const bearer = (client: Client) => ({ authorization: `Bearer ${client.token}` })
const json = { 'content-type': 'application/json' }

describe('who may ask', () => {
  test('nobody without a token, and the answer says how to come with one', async () => {
    const answer = await raw('GET', '/onboarding/session/x', {})
    expectProblem(answer, 401, 'token_missing')
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  const now = () => Math.floor(Date.now() / 1000)
  const key = (secret = jwtSecret) => new TextEncoder().encode(secret)
  const claims = { sub: 'ann', tenant: 'acme', roles: ['admin'] }
  const sign = (payload: object, secret?: string, alg = 'HS256') =>
    new SignJWT({ exp: now() + 60, ...payload }).setProtectedHeader({ alg }).sign(key(secret))
  const unsigned = (alg: string) =>
    `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.${Buffer.from(
      JSON.stringify({ ...claims, exp: now() + 60 }),
    ).toString('base64url')}.`

  test.each([
    ['signed with another secret', () => sign(claims, 'another secret, as long as a secret must be')],
    ['without a signature', async () => unsigned('none')],
    ['without a signature, cunningly', async () => unsigned('nOnE')],
    ['signed by another algorithm', () => sign(claims, undefined, 'HS512')],
    ['expired', () => sign({ ...claims, exp: now() - 3600 })],
    ['expired a moment ago', () => sign({ ...claims, exp: now() - 1 })],
    ['without an end', () => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key())],
    ['not valid yet', () => sign({ ...claims, nbf: now() + 3600 })],
    ['without a subject', () => sign({ ...claims, sub: undefined })],
    ['without a tenant', () => sign({ ...claims, tenant: undefined })],
    ['with a tenant that is no text', () => sign({ ...claims, tenant: { $ne: '' } })],
    ['with roles that are no list', () => sign({ ...claims, roles: 'admin' })],
    ['that is no token', async () => 'abc'],
    ['that is empty', async () => ''],
  ])('a token %s opens nothing', async (_, make) => {
    const headers = { authorization: `Bearer ${await make()}` }
    expectProblem(await raw('GET', '/onboarding/session/x', headers), 401, 'token_invalid')
  })

  test('a clock a few seconds ahead does no harm', async () => {
    const headers = { authorization: `Bearer ${await sign({ ...claims, nbf: now() + 5 })}` }
    expect((await raw('GET', '/onboarding/session/x', headers)).status).toBe(404)
  })

  test('a token that was good is refused once it has ended, though it was seen before', async () => {
    let shift = 0
    const { createTokenVerifier } = await import('../../src/api/auth.ts')
    const verify = createTokenVerifier({ jwtSecret }, () => Date.now() + shift)
    const token = await issueToken(jwtSecret, claims, 60)
    expect(await verify(token)).toMatchObject({ sub: 'ann', roles: ['admin'] })
    shift = 100_000
    expect(await verify(token)).toEqual({ invalid: 'The token has expired.' })
  })

  test('any tenant of a valid token exists; what is another tenant’s looks like nothing', async () => {
    const { body: session } = await started()
    const stranger = await node.client('elsewhere', 'ann', 'admin')
    for (const path of [
      `/onboarding/session/${session.id}`,
      `/onboarding/progress/${session.id}`,
      '/flows/welcome',
      '/onboarding/step/name/configuration?flowId=welcome',
    ])
      expect((await stranger.get(path)).status).toBe(404)
    expectProblem(await stranger.post(`/onboarding/pause/${session.id}`), 404, 'session_unknown')
    expectProblem(await stranger.post('/onboarding/start', { flowId: 'welcome' }), 404, 'flow_unknown')
    const nothing = await ann.get('/onboarding/session/nothing')
    const foreign = await stranger.get(`/onboarding/session/${session.id}`)
    expect({ ...foreign.body, instance: '' }).toEqual({ ...nothing.body, instance: '' })
  })

  test('401 comes before a wrong type, a large body, malformed JSON, a wrong shape and a state', async () => {
    for (const [type, body] of [
      ['text/plain', 'x'],
      ['application/json', 'x'.repeat(1_200_000)],
      ['application/json', '{'],
      ['application/json', '{"unknown":1}'],
    ] as const)
      expect((await raw('POST', '/onboarding/start', { 'content-type': type }, body)).status).toBe(401)
  })
})

describe('what a body must be', () => {
  test('JSON: anything else is 415, before its size is looked at', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'x',
      'application/json; charset=latin1',
    ])
      expectProblem(
        await raw(
          'POST',
          '/onboarding/start',
          { ...bearer(ann), 'content-type': type },
          'x'.repeat(1_200_000),
        ),
        415,
        'unsupported_media_type',
      )
    expectProblem(await raw('POST', '/onboarding/start', bearer(ann), '{}'), 415, 'unsupported_media_type')
    const gzip = { ...bearer(ann), ...json, 'content-encoding': 'gzip' }
    expectProblem(await raw('POST', '/onboarding/start', gzip, '{}'), 415, 'unsupported_encoding')
  })

  test('at most 1 MiB: the last byte still goes in, the next is 413, told or not', async () => {
    const { body: session } = await started()
    const path = `/onboarding/step/${session.id}/tour`
    const body = (bytes: number) => {
      const around = JSON.stringify({ action: 'save', data: '' }).length
      return JSON.stringify({ action: 'save', data: 'x'.repeat(bytes - around) })
    }
    const headers = { ...bearer(ann), ...json }
    const large = await raw('PUT', path, headers, body(1024 * 1024 + 1))
    expectProblem(large, 413, 'body_too_large')
    const chunked = await raw('PUT', path, { ...headers, 'transfer-encoding': 'chunked' }, body(3_000_000))
    expectProblem(chunked, 413, 'body_too_large')
    const most = await raw('PUT', path, headers, body(1024 * 1024))
    expect([200, 413]).toContain(most.status)
    expect((await raw('PUT', path, headers, body(1_000_000))).status).toBe(200)
  })

  test('well-formed: else 400, before its shape is looked at', async () => {
    const headers = { ...bearer(ann), ...json }
    const texts = [
      '{',
      '{"flowId":"welcome"',
      'nonsense',
      "{'flowId':'welcome'}",
      '{"flowId":"welcome"}}',
      '[1,]',
      '\ufeff{}',
    ]
    for (const text of texts)
      expectProblem(await raw('POST', '/onboarding/start', headers, text), 400, 'malformed_json')
    const latin = Buffer.from('{"flowId":"welcome","context":{"name":"Ren\xe9"}}', 'latin1')
    expectProblem(await raw('POST', '/onboarding/start', headers, latin), 400, 'malformed_json')
  })

  test('of its shape: every fault at once, with pointers, and nothing coerced or ignored', async () => {
    const answer = await ann.post('/onboarding/start', {
      flowId: 7,
      userId: null,
      context: [],
      colour: 'red',
    })
    expectProblem(answer, 422, 'invalid_input')
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer).sort()).toEqual([
      '/colour',
      '/context',
      '/flowId',
      '/userId',
    ])
    expectProblem(await ann.post('/onboarding/start', {}), 422, 'invalid_input')
    expectProblem(await ann.post('/onboarding/start', 'null'), 422, 'invalid_input')
    expectProblem(await ann.post('/onboarding/start', '[]'), 422, 'invalid_input')
    expectProblem(await ann.post('/onboarding/start'), 422, 'invalid_input')
  })

  test('a command without a body takes none, an empty one or {}, and nothing else', async () => {
    const { body: session } = await started()
    const path = `/onboarding/pause/${session.id}`
    expect((await ann.post(path)).status).toBe(200)
    expect((await ann.post(path, {})).status).toBe(200)
    expect((await ann.post(path, '')).status).toBe(200)
    const form = {
      ...bearer(ann),
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': '0',
    }
    expect((await raw('POST', path, form)).status).toBe(200)
    expectProblem(await ann.post(path, { why: 'lunch' }), 422, 'invalid_input')
    expectProblem(await ann.post(path, 'null'), 422, 'invalid_input')
  })

  test('what the state forbids is 409, after the shape', async () => {
    const { body: session } = await started()
    await ann.post(`/onboarding/abandon/${session.id}`)
    const path = `/onboarding/step/${session.id}/name`
    expectProblem(await ann.put(path, { action: 'jump' }), 422, 'invalid_input')
    expectProblem(await ann.put(path, { data: { name: 'Ann' } }), 409, 'session_not_active')
  })
})

describe('Idempotency-Key', () => {
  const withKey = (key: string) => ({ 'idempotency-key': key })

  test('gets the first answer again, marked, with the same revision and position', async () => {
    const first = await ann.post('/onboarding/start', { flowId: 'welcome' }, withKey('start-1'))
    const again = await ann.post('/onboarding/start', { flowId: 'welcome' }, withKey('start-1'))
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
    for (const header of ['etag', 'gangway-position'])
      expect(again.headers.get(header)).toBe(first.headers.get(header))
  })

  test('bare and quoted are the same key, and the order of members says nothing', async () => {
    const { body: session } = await started()
    const path = `/onboarding/track/${session.id}`
    const first = await ann.post(path, { type: 'seen', value: 1 }, withKey('quoted-1'))
    const again = await ann.post(path, '{ "value": 1, "type": "seen" }', withKey('"quoted-1"'))
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
  })

  test('gets a recorded 422 again', async () => {
    const { body: session } = await started()
    const path = `/onboarding/step/${session.id}/name`
    const first = await ann.put(path, { data: { size: 0 } }, withKey('bad-1'))
    expectProblem(first, 422, 'validation_failed')
    expect(first.headers.get('etag')).toBe('"1"')
    await ann.put(path, { data: { name: 'Ann' } })
    const again = await ann.put(path, { data: { size: 0 } }, withKey('bad-1'))
    expect({ status: again.status, body: again.body }).toEqual({ status: first.status, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    for (const header of ['etag', 'gangway-position'])
      expect(again.headers.get(header)).toBe(first.headers.get(header))
  })

  test('is answered before If-Match is looked at', async () => {
    const { body: session } = await started()
    const path = `/onboarding/pause/${session.id}`
    const headers = { ...withKey('pause-1'), 'if-match': '"0"' }
    expect((await ann.post(path, {}, headers)).status).toBe(200)
    const again = await ann.post(path, {}, headers)
    expect(again.status).toBe(200)
    expect(again.headers.get('etag')).toBe('"1"')
  })

  test('for other content is refused: another body, path or method', async () => {
    const { body: session } = await started()
    await ann.post(`/onboarding/pause/${session.id}`, {}, withKey('other-1'))
    const reused = [
      await ann.post(`/onboarding/resume/${session.id}`, {}, withKey('other-1')),
      await ann.post('/onboarding/start', { flowId: 'welcome' }, withKey('other-1')),
      await ann.put(`/onboarding/step/${session.id}/tour`, { action: 'skip' }, withKey('other-1')),
      await admin.post('/flows', flow, withKey('other-1')),
    ]
    for (const answer of reused) expectProblem(answer, 422, 'idempotency_key_reused')
  })

  test('belongs to the tenant: another tenant’s is another key', async () => {
    const other = await node.client('other-tenant', 'root', 'admin')
    await other.post('/flows', flow)
    await ann.post('/onboarding/start', { flowId: 'welcome' }, withKey('shared-1'))
    const theirs = await other.post(
      '/onboarding/start',
      { flowId: 'welcome', userId: 'bob' },
      withKey('shared-1'),
    )
    expect(theirs.status).toBe(201)
    expect(theirs.headers.get('idempotent-replayed')).toBeNull()
  })

  test('does not show one participant the session of another', async () => {
    const bob = await node.client('acme', 'bob', 'participant')
    await ann.post('/onboarding/start', { flowId: 'welcome' }, withKey('mine-1'))
    const theirs = await bob.post('/onboarding/start', { flowId: 'welcome' }, withKey('mine-1'))
    expectProblem(theirs, 422, 'idempotency_key_reused')
    expect(JSON.stringify(theirs.body)).not.toContain('ann')
    expect(theirs.headers.get('gangway-position')).toBeNull()
    const { body: session } = await started()
    await ann.post(`/onboarding/pause/${session.id}`, {}, withKey('mine-2'))
    expectProblem(
      await bob.post(`/onboarding/pause/${session.id}`, {}, withKey('mine-2')),
      404,
      'session_unknown',
    )
  })

  test('of a refusal that recorded nothing is decided anew', async () => {
    const { body: session } = await started()
    await ann.post(`/onboarding/pause/${session.id}`)
    const path = `/onboarding/step/${session.id}/name`
    const body = { data: { name: 'Ann' } }
    expectProblem(await ann.put(path, body, withKey('anew-1')), 409, 'session_not_active')
    await ann.post(`/onboarding/resume/${session.id}`)
    expect((await ann.put(path, body, withKey('anew-1'))).status).toBe(200)
  })

  test('may have 255 characters and must be a text', async () => {
    const { body: session } = await started()
    const path = `/onboarding/track/${session.id}`
    const longest = await ann.post(path, { type: 'x' }, withKey('k'.repeat(255)))
    expect(longest.status).toBe(200)
    for (const key of ['k'.repeat(256), 'k'.repeat(300), '""', '"open', '"a"b"'])
      expectProblem(await ann.post(path, { type: 'x' }, withKey(key)), 422, 'idempotency_key_invalid')
    const twice = { ...bearer(ann), ...json, 'idempotency-key': ['one', 'two'] }
    expectProblem(await raw('POST', path, twice, '{"type":"x"}'), 422, 'idempotency_key_invalid')
    expect((await ann.post(path, { type: 'x' }, withKey('one, two'))).status).toBe(200)
  })

  test('sent twenty times at once records once, and all get the same answer', async () => {
    const { body: session } = await started()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        ann.post(`/onboarding/track/${session.id}`, { type: 'once' }, withKey('burst-1')),
      ),
    )
    expect(new Set(answers.map((answer) => answer.headers.get('gangway-position'))).size).toBe(1)
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1)
    expect(answers.filter((answer) => answer.headers.get('idempotent-replayed') === 'true')).toHaveLength(19)
  })
})

describe('revisions and positions', () => {
  test('a command answers with both; revisions start at 0 and positions grow', async () => {
    const start = await started()
    expect(start.headers.get('etag')).toBe('"0"')
    expect(start.body.revision).toBe(0)
    const pause = await ann.post(`/onboarding/pause/${start.body.id}`)
    expect(pause.headers.get('etag')).toBe('"1"')
    const position = (answer: Answer) => BigInt(answer.headers.get('gangway-position')!)
    expect(position(pause)).toBeGreaterThan(position(start))
    const read = await ann.get(`/onboarding/session/${start.body.id}`)
    expect(read.headers.get('etag')).toBe('"1"')
  })

  test('If-Match lets through what was seen last and refuses anything older', async () => {
    const { body: session } = await started()
    const pause = (condition: string) =>
      ann.post(`/onboarding/pause/${session.id}`, undefined, { 'if-match': condition })
    const stale = await pause('"7"')
    expectProblem(stale, 412, 'precondition_failed')
    expect(stale.headers.get('etag')).toBe('"0"')
    for (const condition of ['W/"0"', '"abc"', 'nonsense', '""'])
      expectProblem(await pause(condition), 412, 'precondition_failed')
    expect((await pause('"3", "0"')).status).toBe(200)
    expect((await pause('*')).status).toBe(200)
  })

  test('a stale If-Match records nothing, not even a failed validation', async () => {
    const { body: session } = await started()
    const answer = await ann.put(`/onboarding/step/${session.id}/name`, { data: {} }, { 'if-match': '"5"' })
    expectProblem(answer, 412, 'precondition_failed')
    expect((await ann.get(`/onboarding/session/${session.id}`)).body.revision).toBe(0)
  })

  test('If-Match on what does not exist is still 404', async () => {
    const answer = await ann.post('/onboarding/pause/none', undefined, { 'if-match': '"0"' })
    expectProblem(answer, 404, 'session_unknown')
  })

  test('a read after a position has seen it; one after a position to come waits and says how far behind', async () => {
    const start = await started()
    const pause = await ann.post(`/onboarding/pause/${start.body.id}`)
    const at = pause.headers.get('gangway-position')!
    const read = await ann.get(`/onboarding/session/${start.body.id}?after=${at}`)
    expect(read.body.status).toBe('paused')
    const ahead = String(BigInt(at) + 1000n)
    const began = performance.now()
    const late = await ann.get(`/onboarding/session/${start.body.id}?after=${ahead}`)
    expectProblem(late, 503, 'read_model_behind')
    expect(Number(late.body.lag)).toBeGreaterThan(0)
    expect(late.headers.get('retry-after')).toBe('1')
    expect(performance.now() - began).toBeGreaterThan(4500)
  })

  test('a read that waits is answered as soon as the log comes to it', async () => {
    const { body: session, headers } = await started()
    const next = String(BigInt(headers.get('gangway-position')!) + 1n)
    const reading = ann.get(`/onboarding/session/${session.id}?after=${next}`)
    await new Promise((wake) => setTimeout(wake, 100))
    await ann.post(`/onboarding/pause/${session.id}`)
    expect(await reading).toMatchObject({ status: 200, body: { status: 'paused' } })
  })

  test('what is no position is 422', async () => {
    const { body: session } = await started()
    for (const after of ['abc', '-1', '1.5', '01', '', '99999999999999999999999'])
      expectProblem(await ann.get(`/onboarding/session/${session.id}?after=${after}`), 422, 'invalid_input')
  })
})

describe('problems', () => {
  test('an unknown route is 404, with and without a token', async () => {
    expectProblem(await ann.get('/nowhere'), 404, 'route_unknown')
    expectProblem(await raw('GET', '/nowhere', {}), 404, 'route_unknown')
    expectProblem(await ann.send('PATCH', '/flows'), 404, 'route_unknown')
    expectProblem(await raw('POST', '/nowhere', { 'content-type': 'text/plain' }, 'x'), 404, 'route_unknown')
  })

  test('an id of any sort that is not there is 404', async () => {
    for (const id of [
      '%20',
      '%00',
      '%ED%A0%80',
      'a'.repeat(201),
      'x'.repeat(1900),
      '..%2f..',
      '%F0%9F%9A%80',
      "'--",
    ])
      expect([400, 404]).toContain((await ann.get(`/onboarding/session/${id}`)).status)
    expect((await ann.post('/onboarding/pause/%00')).status).toBe(404)
  })

  test('a URL that cannot be decoded is 400, a query that says something twice 422', async () => {
    expectProblem(await ann.get('/onboarding/session/%zz'), 400, 'malformed_url')
    expectProblem(await ann.get('/onboarding/session/x?after=1&after=2'), 422, 'invalid_input')
    expectProblem(await ann.get('/flows?limit=5'), 403, 'forbidden')
    for (const query of [
      'limit=0',
      'limit=101',
      'limit=1e1',
      'limit=ten',
      'limit=',
      'colour=red',
      'cursor=%00',
    ])
      expectProblem(await admin.get(`/flows?${query}`), 422, 'invalid_input')
  })

  test('headers past 16 KiB are 431 and what is no HTTP 400, as problem documents too', async () => {
    const answer = await raw('GET', `/flows?x=${'y'.repeat(20_000)}`, bearer(ann))
    expectProblem({ ...answer, body: { instance: '', ...answer.body } }, 431, 'headers_too_large')
    const { port } = new URL(node.url)
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      socket.on('data', (data) => resolve(String(data)))
    })
    expect(text).toMatch(/^HTTP\/1.1 400 [\s\S]*application\/problem\+json[\s\S]*malformed_request/)
  })
})

describe('limits', () => {
  test('a caller who asks too often is 429 until the minute is over; others go on', async () => {
    let now = Date.parse('2026-01-01T00:00:50Z')
    const limited = await startApiNode(database.connectionString, {
      rateLimiter: createLocalRateLimiter(3, () => now),
    })
    const [a, b] = [await limited.client('acme', 'a', 'admin'), await limited.client('acme', 'b', 'admin')]
    for (let i = 0; i < 3; i++) expect((await a.get('/flows/welcome')).status).toBe(200)
    const refused = await a.get('/flows/welcome')
    expectProblem(refused, 429, 'rate_limited')
    expect(refused.headers.get('retry-after')).toBe('10')
    expect((await b.get('/flows/welcome')).status).toBe(200)
    expect((await (await limited.client('globex', 'a', 'admin')).get('/flows/welcome')).status).toBe(404)
    now += 10_000
    expect((await a.get('/flows/welcome')).status).toBe(200)
    await limited.stop()
  })
})

describe('browsers', () => {
  test('may come from the configured origin and from no other', async () => {
    const origin = 'https://app.example.com'
    const open = await startApiNode(database.connectionString, { config: { frontendUrl: origin } })
    const preflight = (from: string) =>
      fetch(`${open.url}/onboarding/start`, {
        method: 'OPTIONS',
        headers: {
          origin: from,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,idempotency-key',
        },
      })
    const welcome = await preflight(origin)
    expect(welcome.status).toBe(204)
    expect(welcome.headers.get('access-control-allow-origin')).toBe(origin)
    expect(
      (await preflight('https://evil.example.com')).headers.get('access-control-allow-origin'),
    ).toBeNull()
    const answer = await fetch(`${open.url}/flows/welcome`, { headers: { origin, ...bearer(admin) } })
    expect(answer.headers.get('access-control-expose-headers')).toContain('gangway-position')
    await open.stop()
    const none = await fetch(`${node.url}/flows/welcome`, { headers: { origin, ...bearer(admin) } })
    expect(none.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('are told that answers are data', async () => {
    const { headers } = await admin.get('/flows/welcome')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

test('a correlation id comes back, is made up when there is none, and is on the event', async () => {
  const given = await ann.post('/onboarding/start', { flowId: 'welcome' }, { 'x-correlation-id': 'trace-me' })
  expect(given.headers.get('x-correlation-id')).toBe('trace-me')
  const [event] = await Array.fromAsync(node.deps.store.read(`session-acme_${given.body.id}`))
  expect(event!.metadata.$correlationId).toBe('trace-me')
  const traced = await ann.get('/onboarding/session/x', {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  })
  expect(traced.headers.get('x-correlation-id')).toBe('0af7651916cd43dd8448eb211c80319c')
  expect((await started()).headers.get('x-correlation-id')).toMatch(/^[0-9a-f-]{36}$/)
})

describe('seen from outside', () => {
  test('the process is alive, and ready when its parts are', async () => {
    expect(await (await fetch(`${node.url}/health/live`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${node.url}/health/ready`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({
      status: 'ready',
      parts: { log: { ok: true }, database: { ok: true } },
    })
  })

  test('a part that is out makes it unready, by name', async () => {
    const lame = await startApiNode(database.connectionString, {
      draining: () => true,
      readModels: {
        waitFor: async () => ({ ok: true }),
        status: async () => [{ name: 'sessions', position: '3', lagEvents: 9, lagSeconds: 99, parked: 0 }],
        position: () => '3',
        projectsAll: () => true,
      },
    })
    const ready = await fetch(`${lame.url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({
      status: 'not_ready',
      parts: {
        log: { ok: true },
        readModels: { ok: false, detail: 'sessions is 99 s behind' },
        process: { ok: false },
      },
    })
    await lame.stop()
  })

  test('metrics count commands by type and outcome, without naming a tenant', async () => {
    const { body: session } = await started()
    await ann.post(`/onboarding/pause/${session.id}`)
    const text = await (await fetch(`${node.url}/metrics`)).text()
    expect(text).toMatch(/gangway_commands_total\{type="PauseSession",outcome="accepted"\} \d+/)
    expect(text).toMatch(/gangway_commands_total\{type="SubmitStep",outcome="refusal_recorded"\} \d+/)
    expect(text).toContain('gangway_append_seconds_bucket')
    expect(text).not.toContain('acme')
  })
})
