import Type from 'typebox'
import { after, onlyAfter } from './schemas.ts'

const strict = { additionalProperties: false }
const position = Type.String({ pattern: '^(0|[1-9][0-9]{0,18})$', description: 'A position; exclusive' })
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 100 }))
const text = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 1000, description }))
const lines = 'With `Accept: application/x-ndjson` one event a line, streamed to the end of the log.'

export const eventsQuery = Type.Object(
  {
    from: Type.Optional(position),
    limit,
    cursor: Type.Optional(position),
    type: text('Type of the event'),
    stream: text('Name of the stream, whole'),
    correlationId: text('What one cause set off'),
    after,
  },
  strict,
)

export const streamQuery = Type.Object({ limit, cursor: Type.Optional(position), after }, strict)

export const replayQuery = Type.Object(
  { at: text('A revision, or an ISO 8601 time of `occurredAt`; inclusive'), after },
  strict,
)

const storedEvent = Type.Object({
  id: Type.String({ format: 'uuid' }),
  type: Type.String(),
  stream: Type.String(),
  revision: Type.Integer(),
  position: Type.String(),
  data: Type.Unknown(),
  metadata: Type.Unknown(),
  recordedAt: Type.String({ format: 'date-time' }),
})
const page = Type.Object({
  data: Type.Array(storedEvent),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
})

const fault = Type.Object({
  problem: Type.String({ description: 'changed, removed, inserted, reordered, …' }),
  stream: Type.Optional(Type.String()),
  revision: Type.Optional(Type.Integer()),
  position: Type.Optional(Type.String()),
  detail: Type.String(),
})

export const auditSchemas = {
  events: {
    tags: ['audit'],
    summary: 'Events of the tenant, as stored',
    description: `In order of position. A search by \`correlationId\` may answer an empty page with a cursor to go on. ${lines}`,
    querystring: eventsQuery,
    response: { 200: page },
  },
  stream: {
    tags: ['audit'],
    summary: 'Events of one stream, as stored',
    description: lines,
    querystring: streamQuery,
    response: { 200: page },
  },
  session: {
    tags: ['audit'],
    summary: 'A session as it was, beside the events that made it',
    querystring: replayQuery,
    response: { 200: Type.Object({ session: Type.Unknown(), events: Type.Array(storedEvent) }) },
  },
  verify: {
    tags: ['audit'],
    summary: 'Whether the tenant’s log is what was written',
    description:
      'Checks every event against its chain and the whole against signed checkpoints. The answer’s `checkpoint` is signed (Ed25519, over the canonical JSON of its other members): who keeps it can hold the log to it later.',
    querystring: onlyAfter,
    response: {
      200: Type.Object({
        ok: Type.Boolean(),
        events: Type.Integer(),
        streams: Type.Integer(),
        checkpoint: Type.Unknown(),
        firstFault: Type.Optional(fault),
        publicKey: Type.String({ description: 'SPKI, PEM' }),
      }),
    },
  },
}
