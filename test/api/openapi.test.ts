import { validate } from '@scalar/openapi-parser'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { permissions } from '../../src/api/roles.ts'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly security: readonly object[]
  readonly 'x-permission'?: keyof typeof permissions
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> }
  readonly responses: Record<
    string,
    { readonly description: string; readonly content?: Record<string, object> }
  >
}

let database: TestDatabase
let node: ApiNode
let document: {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: object }
}
let operations: [name: string, operation: Operation][]

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  const response = await fetch(`${node.url}/docs/json`)
  document = (await response.json()) as typeof document
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method} ${path}`,
      operation,
    ]),
  )
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

test('the document is valid OpenAPI 3.1', async () => {
  expect(document.openapi).toMatch(/^3\.1\./)
  const { valid, errors } = await validate(JSON.stringify(document))
  expect(errors ?? []).toEqual([])
  expect(valid).toBe(true)
})

test('every operation has a name of its own, says what it is, and who may', () => {
  const ids = operations.map(([, { operationId }]) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [name, operation] of operations) {
    expect(operation.summary, name).toBeTruthy()
    const permission = operation['x-permission']
    if (!permission) continue
    expect(operation.security, name).toEqual([{ token: [] }])
    for (const role of Object.keys(permissions[permission]))
      expect(operation.description, name).toContain(role)
    for (const status of ['401', '403', '429'])
      expect(Object.keys(operation.responses[status]?.content ?? {}), `${name} ${status}`).toEqual([
        'application/problem+json',
      ])
  }
})

test('every parameter of a path is described, and every query may wait', () => {
  for (const [name, operation] of operations) {
    const wanted = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    const described = operation.parameters.filter((parameter) => parameter.in === 'path')
    expect(described.map((parameter) => parameter.name).sort(), name).toEqual(wanted.sort())
    const isQuery = name.startsWith('get') && operation['x-permission']
    const parameters = operation.parameters.map((parameter) => parameter.name)
    if (isQuery) expect(parameters, name).toContain('after')
  }
})

test('a session and a problem are described once', () => {
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(['Session', 'Problem']))
  expect(JSON.stringify(document.paths)).toContain('"#/components/schemas/Session"')
})

test('what the document describes is what is answered', async () => {
  const client = await node.client('acme', 'root', 'admin')
  await client.post('/flows', { id: 'f', title: 'F', steps: [{ id: 'a', title: 'A', kind: 'form' }] })
  const { body } = await client.post('/onboarding/start', { flowId: 'f' })
  const session = (document.components.schemas as Record<string, { properties: object; required: string[] }>)
    .Session!
  expect(Object.keys(session.properties)).toEqual(expect.arrayContaining(Object.keys(body)))
  expect(Object.keys(body)).toEqual(expect.arrayContaining(session.required))
})

test('the page to try it needs nothing from anywhere else', async () => {
  const page = await fetch(`${node.url}/docs`)
  expect(page.headers.get('content-type')).toMatch(/^text\/html/)
  const policy = page.headers.get('content-security-policy')!
  expect(policy).toContain("script-src 'self'")
  const html = await page.text()
  const scripts = [...html.matchAll(/src="([^"]+)"/g)].map(([, source]) => source!)
  expect(scripts.length).toBeGreaterThan(0)
  for (const source of scripts) {
    expect(source).toMatch(/^\//)
    const script = await fetch(node.url + source)
    expect(script.status).toBe(200)
    expect(script.headers.get('content-type')).toMatch(/^text\/javascript/)
    expect((await script.text()).length).toBeGreaterThan(100)
  }
})
