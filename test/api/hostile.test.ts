import { request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import type { Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

/** Whatever is sent, the answer is a document below 500, and what was there before is still there after. */

const flow = {
  id: 'desk',
  title: 'Desk',
  steps: [
    {
      id: 'form',
      title: 'Form',
      kind: 'form',
      schema: { type: 'object', properties: { name: { type: 'string' }, list: { type: 'array' } } },
    },
    { id: 'free', title: 'Free', kind: 'form', required: false, visibleWhen: 'context.plan == "team"' },
    { id: 'next', title: 'Next', kind: 'form', required: false, visibleWhen: 'answers.form.name == "x"' },
  ],
}

let database: TestDatabase
let node: ApiNode
let admin: Client
let session: string

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  admin = await node.client('acme', 'root', 'admin')
  await admin.post('/flows', flow)
  session = (await admin.post('/onboarding/start', { flowId: 'desk' })).body.id
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer | undefined
}

function send({
  method,
  path,
  headers = {},
  body,
}: Sent): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(node.url)
    const all = { authorization: `Bearer ${admin.token}`, ...headers }
    const sent = httpRequest({ hostname, port, method, path, headers: all, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          type: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function expectBearable(sent: Sent) {
  const { status, type, text } = await send(sent)
  const about = `${sent.method} ${sent.path} ${String(sent.body).slice(0, 200)} → ${status} ${text.slice(0, 300)}`
  expect(status, about).toBeLessThan(500)
  if (status >= 400) {
    expect(type, about).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(text).code, about).toMatch(/^[a-z_]+$/)
  }
  return { status, text }
}

const json = { 'content-type': 'application/json' }
const put = (body: string) =>
  expectBearable({ method: 'PUT', path: `/onboarding/step/${session}/form`, headers: json, body })

describe('bodies', () => {
  const deep = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels)

  test.each([
    ['arrays a hundred deep', `{"data":${deep(100, '[', ']')}}`, 422],
    ['arrays 200,000 deep', `{"data":${deep(200_000, '[', ']')}}`, 422],
    ['objects 100,000 deep', `{"data":${deep(100_000, '{"a":', '}').replace('{"a":}', '{"a":1}')}}`, 422],
    ['nesting that is never closed', `{"data":${'['.repeat(500_000)}`, 400],
    ['a number past all numbers', '{"data":{"name":"x","n":1e999}}', 422],
    ['a number that only just is none', '{"data":-1.8e308}', 422],
    ['half a character', '{"data":{"name":"\\ud800"}}', 422],
    ['half a character as a name', '{"data":{"\\udfff":1}}', 422],
    ['a prototype', '{"data":{"__proto__":{"admin":true}}}', 422],
    ['a prototype, spelt otherwise', '{"data":{"\\u005f_proto__":1}}', 422],
    ['a prototype at the top', '{"__proto__":{"action":"skip"},"data":{}}', 422],
    ['a constructor of its own', '{"data":{"constructor":{"prototype":{"x":1}}}}', 200],
    [
      'names of methods',
      '{"data":{"toString":1,"hasOwnProperty":2,"valueOf":null,"toJSON":3,"then":4}}',
      200,
    ],
    ['a character nobody can print', '{"data":{"name":"a\\u0000b","\\u0000":"\\u0000"}}', 200],
    ['the same member twice', '{"data":{"name":"a"},"data":{"name":"b"}}', 200],
    ['an integer past 2^53', '{"data":{"n":123456789012345678901234567890}}', 200],
    ['the smallest number', '{"data":{"n":5e-324,"z":-0}}', 200],
    ['members like indexes', '{"data":{"10":1,"9":2,"":3}}', 200],
  ])('%s', async (_, body, status) => {
    expect((await put(body)).status).toBe(status)
  })

  test('a fault points at what is wrong', async () => {
    const { text } = await put('{"data":{"list":[1,{"a/b":"\\ud800"}],"__proto__":1,"n":1e999}}')
    expect(
      JSON.parse(text)
        .errors.map((error: { pointer: string }) => error.pointer)
        .sort(),
    ).toEqual(['/data/__proto__', '/data/list/1/a~1b', '/data/n'])
  })

  test('what was kept reads back as it was said', async () => {
    const data = {
      name: 'a\u0000b',
      '\u0000': '\u2028',
      constructor: { prototype: { x: 1 } },
      10: 1,
      '': 3,
      toJSON: 4,
    }
    await admin.put(`/onboarding/step/${session}/form`, { data })
    expect((await admin.get(`/onboarding/session/${session}`)).body.stepData.form).toEqual(data)
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
  })

  test('any JSON in any place of any body', { timeout: 120_000 }, async () => {
    const anything = fc.jsonValue({ maxDepth: 6 })
    const odd = fc.oneof(
      anything,
      fc.constantFrom(null, '', 0, -1, 1e308, [], {}, 'x'.repeat(5000), '\u0000', '🚀', { $ne: 1 }, true),
    )
    const fields = [
      'flowId',
      'userId',
      'context',
      'action',
      'data',
      'type',
      'value',
      'properties',
      'version',
      'steps',
      'from',
      'to',
      'dryRun',
      'id',
      'title',
      '__proto__',
    ]
    const body = fc.oneof(odd, fc.dictionary(fc.constantFrom(...fields), odd, { maxKeys: 6 }))
    const target = fc.constantFrom(
      ['POST', '/onboarding/start'],
      ['PUT', `/onboarding/step/${session}/form`],
      ['PUT', `/onboarding/step/${session}/free`],
      ['POST', `/onboarding/track/${session}`],
      ['POST', `/onboarding/pause/${session}`],
      ['POST', '/onboarding/validate-step/form'],
      ['POST', '/flows'],
      ['POST', '/flows/desk/migrations'],
    )
    await fc.assert(
      fc.asyncProperty(target, body, async ([method, path], body) => {
        await expectBearable({ method: method!, path: path!, headers: json, body: JSON.stringify(body) })
      }),
      { numRuns: 400 },
    )
  })

  test('any bytes', { timeout: 60_000 }, async () => {
    const types = fc.constantFrom(
      'application/json',
      'text/plain',
      'application/json; charset=utf-16',
      ';;',
      'multipart/form-data',
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), types, async (bytes, type) => {
        await expectBearable({
          method: 'POST',
          path: '/onboarding/start',
          headers: { 'content-type': type },
          body: Buffer.from(bytes),
        })
      }),
      { numRuns: 150 },
    )
  })
})

test('any definition of a flow, near a good one', { timeout: 120_000 }, async () => {
  const condition = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.constantFrom(
      'answers.a.b.c == 1',
      '['.repeat(400),
      '!'.repeat(900),
      'a.map(x, x.map(y, y.map(z, z)))',
      '"x".matches("(a+)+$")',
      '1/0 == 1',
      'context.list.exists(x, x > 1)',
      '\u0000',
    ),
  )
  const schema = fc.oneof(
    fc.boolean(),
    fc.dictionary(
      fc.constantFrom(
        'type',
        'properties',
        'items',
        'pattern',
        '$ref',
        'allOf',
        'required',
        'enum',
        '$defs',
        'if',
      ),
      fc.jsonValue({ maxDepth: 3 }),
      { maxKeys: 4 },
    ),
    fc.constantFrom(
      { pattern: '(a+)+$' },
      { $ref: 'http://169.254.169.254/latest' },
      { $ref: '#' },
      { allOf: [{ $ref: '#' }] },
      { properties: { __proto__: true } },
      { type: 'nonsense' },
    ),
  )
  const id = fc.oneof(
    fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString'),
    fc.string({ maxLength: 12 }),
  )
  const step = fc.record(
    {
      id,
      title: fc.constantFrom('T', { en: 'T' }),
      kind: fc.constantFrom('form', 'content', 'upload'),
      dependsOn: fc.array(id, { maxLength: 3 }),
      visibleWhen: condition,
      schema,
      required: fc.boolean(),
      estimatedMinutes: fc.double(),
    },
    { requiredKeys: ['id', 'title', 'kind'] },
  )
  const definition = fc.record({
    id: fc.constant('fuzzed'),
    title: fc.constant('F'),
    steps: fc.array(step, { maxLength: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(definition, async (definition) => {
      const body = JSON.stringify(definition)
      const { status } = await expectBearable({ method: 'POST', path: '/flows', headers: json, body })
      if (status !== 201) return
      const started = await expectBearable({
        method: 'POST',
        path: '/onboarding/start',
        headers: json,
        body: '{"flowId":"fuzzed","context":{"list":[1,2]}}',
      })
      expect(started.status).toBe(201)
      const { id } = JSON.parse(started.text)
      for (const { id: step } of definition.steps)
        await expectBearable({
          method: 'PUT',
          path: `/onboarding/step/${id}/${encodeURIComponent(step)}`,
          headers: json,
          body: '{"data":{"a":1}}',
        })
    }),
    { numRuns: 120 },
  )
})

test('any path and query', { timeout: 60_000 }, async () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constantFrom(
      '%00',
      '%zz',
      '%ED%A0%80',
      '..',
      '.',
      '%2e%2e',
      '~',
      '%F0%9F%9A%80',
      'a'.repeat(3000),
      "'--",
      '*',
      ':id',
      '{x}',
      '%',
    ),
  )
  const path = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('/onboarding/session/', '/onboarding/progress/', '/flows/', '/onboarding/pause/'),
        piece,
      )
      .map((parts) => parts.join('')),
    fc.tuple(piece, piece).map(([a, b]) => `/onboarding/step/${a}/${b}`),
    fc.tuple(piece, piece).map(([a, b]) => `/onboarding/step/${a}/configuration?flowId=${b}`),
    fc.tuple(piece, piece).map(([a, b]) => `/flows/${a}/versions/${b}`),
    fc
      .array(
        fc.tuple(fc.constantFrom('flowId', 'status', 'userId', 'limit', 'cursor', 'x', '__proto__'), piece),
        { maxLength: 4 },
      )
      .map((pairs) => `/onboarding/sessions?${pairs.map((pair) => pair.join('=')).join('&')}`),
    piece.map((text) => `/${text}`),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'),
      path,
      async (method, path) => {
        if (method === 'HEAD') expect((await send({ method, path })).status).toBeLessThan(500)
        else await expectBearable({ method, path })
      },
    ),
    { numRuns: 300 },
  )
})

test('any headers', { timeout: 60_000 }, async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 400 }).map((value) => value.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '')),
    fc.constantFrom('', '"', '""', 'k'.repeat(300), 'Bearer', 'Bearer  ', '*', 'W/"1"', '"1', '1, 2', '\xe9'),
  )
  const names = fc.constantFrom(
    'idempotency-key',
    'if-match',
    'authorization',
    'x-correlation-id',
    'traceparent',
    'origin',
    'content-encoding',
    'accept',
    'expect-ct',
    'x-forwarded-for',
    'range',
    'if-none-match',
  )
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(names, fc.oneof(text, fc.tuple(text, text)), { maxKeys: 5 }),
      async (given) => {
        await expectBearable({
          method: 'POST',
          path: `/onboarding/track/${session}`,
          headers: { ...json, ...(given as Record<string, string>) },
          body: '{"type":"x"}',
        })
      },
    ),
    { numRuns: 200 },
  )
})

test('cursors and positions that are made up', async () => {
  const made = [
    JSON.stringify(['2026-01-01T00:00:00.000Z', 'x']),
    JSON.stringify(['9999-99-99T99:99:99.999Z', 'x']),
    JSON.stringify(['2026-02-31T00:00:00.000Z', 'x']),
    JSON.stringify(['+275760-09-13T00:00:00.000Z', 'x']),
    JSON.stringify(['2026-01-01T00:00:00.000Z', '\u0000']),
    JSON.stringify(["'; drop table read.sessions; --", 'x']),
    JSON.stringify([1, 2]),
    JSON.stringify({ length: 2 }),
    '\ud800',
  ].map((text) => Buffer.from(text).toString('base64url'))
  for (const cursor of made)
    for (const list of ['/onboarding/sessions', '/flows'])
      await expectBearable({ method: 'GET', path: `${list}?cursor=${cursor}` })
})

test('tenants and users of any name keep to themselves', async () => {
  const names = [
    'a_b',
    'a-b',
    'a%5Fb',
    'session-x_y',
    '*',
    '..',
    "o'neill",
    '東京',
    '🚀',
    ' ',
    '__proto__',
    '%',
  ]
  for (const name of names) {
    const client = await node.client(name, name, 'admin')
    expect((await client.post('/flows', flow)).body.version).toBe(1)
    const { body } = await client.post('/onboarding/start', { flowId: 'desk' })
    expect(body).toMatchObject({ tenantId: name, userId: name })
    expect(
      (await client.post(`/onboarding/pause/${body.id}`, {}, { 'idempotency-key': 'same' })).status,
    ).toBe(200)
    const at = (await client.get(`/onboarding/session/${body.id}`)).headers.get('gangway-position')
    const { body: list } = await client.get(`/onboarding/sessions?after=${at}`)
    expect(list.data.map((item: { id: string }) => item.id)).toEqual([body.id])
  }
})

test('what was there is still there', async () => {
  expect((await admin.get(`/onboarding/session/${session}`)).status).toBe(200)
  expect((await fetch(`${node.url}/health/ready`)).status).toBe(200)
})
