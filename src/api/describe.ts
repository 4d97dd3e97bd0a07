import Type, { type TSchema } from 'typebox'
import type { Permission } from './roles.ts'
import { problemSchema } from './schemas.ts'

/** How the document describes a route; Fastify checks `params`, `querystring` and `body` by the same schemas. */

type Tag = 'flows' | 'sessions' | 'steps' | 'statistics' | 'analytics' | 'experiments' | 'service'

const problems = (...statuses: number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: reasons[status]!,
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  )

const reasons: Readonly<Record<number, string>> = {
  400: 'The body is not valid JSON',
  401: 'No valid token',
  403: 'None of the caller’s roles may do this',
  404: 'There is no such thing, or it is somebody else’s',
  409: 'The state forbids it; `code` says why',
  412: '`If-Match` names another revision',
  413: 'The body is larger than 1 MiB',
  415: 'The body is not JSON',
  422: 'The body has the wrong shape or breaks a rule; `errors` point at every fault',
  429: 'Too many requests; see `Retry-After`',
  503: 'Not at the moment; see `Retry-After`',
}

const commandHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Sent again with the same content, it gets the first answer again',
    }),
  ),
  'if-match': Type.Optional(
    Type.String({ description: 'The ETag that the caller saw last', examples: ['"4"'] }),
  ),
})

const placeHeaders = {
  ETag: { type: 'string', description: 'The revision, quoted' },
  'Gangway-Position': { type: 'string', description: 'Where the log stands; give it to queries as `after`' },
}

interface Parts {
  readonly summary: string
  readonly description?: string
  readonly params?: TSchema
  readonly querystring?: TSchema
  readonly body?: TSchema
  /** The body as it is documented, where what is checked before the handler is less. */
  readonly 'x-body'?: TSchema
}

interface Answers {
  /** Status of a good answer; 200 unless told. */
  readonly answers?: number
  /** What a good answer looks like. */
  readonly of: TSchema
}

/** A route that changes something: who may use it, what it takes and what it answers. */
export function commandRoute<P extends Parts>(permission: Permission, tag: Tag, parts: P & Answers) {
  const { of, answers = 200, ...rest } = parts
  return {
    config: { permission },
    schema: {
      ...(rest as unknown as P),
      tags: [tag],
      'x-headers': commandHeaders,
      response: {
        [answers]: { description: 'Recorded', headers: { ...placeHeaders, ...replayed }, ...content(of) },
        ...problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503),
      },
    },
  }
}

/** A route that changes nothing. */
export function queryRoute<P extends Parts>(permission: Permission, tag: Tag, parts: P & Answers) {
  const { of, answers = 200, ...rest } = parts
  return {
    config: { permission },
    schema: {
      ...(rest as unknown as P),
      tags: [tag],
      response: {
        [answers]: { description: 'Found', ...content(of) },
        ...problems(401, 403, 404, 422, 429, 503),
      },
    },
  }
}

const replayed = {
  'Idempotent-Replayed': { type: 'string', enum: ['true'], description: 'Present on the answer to a repeat' },
}

const content = (schema: TSchema) => ({ content: { 'application/json': { schema } } })
