import type { FastifyInstance, RouteOptions } from 'fastify'
import type { TSchema } from 'typebox'
import { permissions } from './roles.ts'

export type OpenApiDocument = Record<string, unknown>

/**
 * Collects every route as it is added and describes it by the schemas it is checked with. Call it before the routes are
 * registered; the document is there once the application is ready.
 */
export function describeRoutes(app: FastifyInstance): () => OpenApiDocument {
  const paths: Record<string, Record<string, unknown>> = {}
  app.addHook('onRoute', (route) => {
    const schema = route.schema as RouteSchema | undefined
    if (!schema || schema.hide) return
    const path = route.url.replaceAll(/:([A-Za-z]+)/g, '{$1}')
    const methods = Array.isArray(route.method) ? route.method : [route.method]
    for (const method of methods) {
      paths[path] ??= {}
      paths[path][method.toLowerCase()] = operation(method, path, route, schema)
    }
  })
  return () => {
    const schemas: Record<string, unknown> = {}
    const hoisted = hoist(paths, schemas)
    return { ...head, components: { ...head.components, schemas }, paths: hoisted }
  }
}

/** Schemas of objects that have a title are told once and referred to. */
function hoist(value: unknown, schemas: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => hoist(item, schemas))
  if (typeof value !== 'object' || value === null) return value
  const { title, type } = value as { title?: unknown; type?: unknown }
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, hoist(member, schemas)]),
  )
  if (typeof title !== 'string' || type !== 'object') return copy
  schemas[title] = copy
  return { $ref: `#/components/schemas/${title}` }
}

interface RouteSchema {
  readonly hide?: boolean
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly params?: ObjectSchema
  readonly querystring?: ObjectSchema
  readonly body?: TSchema
  readonly consumes?: readonly string[]
  /** The body as it is documented, where what is checked before the handler is less. */
  readonly 'x-body'?: TSchema
  readonly 'x-headers'?: ObjectSchema
  readonly response?: Readonly<Record<string, unknown>>
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema & { description?: string }>>
  readonly required?: readonly string[]
}

function operation(method: string, path: string, route: RouteOptions, schema: RouteSchema) {
  const { permission } = route.config ?? {}
  const may = permission ? Object.keys(permissions[permission]) : []
  const about = permission ? `Roles: ${may.map((role) => `\`${role}\``).join(', ')}.` : ''
  return {
    operationId: operationId(method, path),
    ...(schema.tags && { tags: schema.tags }),
    ...(schema.summary && { summary: schema.summary }),
    description: [schema.description, about].filter(Boolean).join('\n\n'),
    ...(permission ? { security: [{ token: [] }], 'x-permission': permission } : { security: [] }),
    parameters: [
      ...parameters('path', schema.params),
      ...parameters('query', schema.querystring),
      ...parameters('header', schema['x-headers']),
    ],
    ...requestBody(schema),
    responses: responses(schema.response ?? {}),
  }
}

/** `PUT /onboarding/step/{sessionId}/{stepId}` → `putOnboardingStepBySessionIdByStepId`. */
function operationId(method: string, path: string): string {
  const words = path
    .replaceAll(/\{(\w)(\w*)\}/g, (_, first: string, rest: string) => `/by/${first}${rest}`)
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
}

function parameters(place: 'path' | 'query' | 'header', schema: ObjectSchema | undefined) {
  return Object.entries(schema?.properties ?? {}).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || (schema!.required ?? []).includes(name),
    ...(description && { description }),
    schema: property,
  }))
}

function requestBody({ 'x-body': documented, body = documented, consumes }: RouteSchema) {
  if (!body && !consumes) return {}
  const type = consumes?.[0] ?? 'application/json'
  const required = ((body as ObjectSchema | undefined)?.required ?? []).length > 0 || body === undefined
  return { requestBody: { required, content: { [type]: { schema: documented ?? body ?? {} } } } }
}

/** A response is given as OpenAPI has it, or as a schema alone. */
function responses(given: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(given).map(([status, response]) => {
      const { description = 'An answer', content, headers, ...schema } = response as Record<string, unknown>
      if (content)
        return [status, { description, ...(headers ? { headers: headersOf(headers) } : {}), content }]
      const empty = Object.keys(schema).length === 0
      return [status, { description, ...(empty ? {} : { content: { 'application/json': { schema } } }) }]
    }),
  )
}

function headersOf(headers: unknown) {
  return Object.fromEntries(
    Object.entries(headers as Record<string, { description?: string }>).map(
      ([name, { description, ...schema }]) => [name, { ...(description && { description }), schema }],
    ),
  )
}

const head = {
  openapi: '3.1.0',
  info: {
    title: 'Gangway',
    version: '1',
    description:
      'Onboarding as a log of events. Commands answer with the revision (`ETag`) and the place in the log (`Gangway-Position`) ' +
      'they left; queries given that place as `after` have seen it. Errors are problem documents (RFC 9457).',
  },
  servers: [{ url: '/' }],
  tags: [
    { name: 'sessions', description: 'Going through a flow' },
    { name: 'steps', description: 'What steps ask for' },
    { name: 'flows', description: 'Flows as data, in versions' },
    { name: 'statistics', description: 'How sessions fare' },
    { name: 'imports', description: 'Histories of earlier systems' },
    {
      name: 'analytics',
      description: 'Funnels, retention, paths and segments, exact as of a position of the log',
    },
    { name: 'live', description: 'WebSocket beside the API' },
    { name: 'audit', description: 'The log itself, for auditors' },
    { name: 'service', description: 'For who runs it' },
  ],
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'Claims `sub`, `tenant` and `roles`.',
      },
    },
  },
}
