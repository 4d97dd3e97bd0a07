import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { type ImportReport, importHistory } from '../commands/import/importHistory.ts'
import { ndjsonSource } from '../commands/import/importSource.ts'
import { derivedId } from '../domain/ids.ts'
import type { ImportEvent } from '../domain/importEvents.ts'
import { streamName } from '../domain/stream.ts'
import { actorOf } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import { idempotencyKeyOf } from './idempotencyKey.ts'
import { notFound, problem } from './problem.ts'

const query = Type.Object(
  { flowId: Type.String({ minLength: 1, maxLength: 100 }) },
  { additionalProperties: false },
)

const importSchema = {
  tags: ['imports'],
  summary: 'Import a history',
  description:
    'Newline-delimited JSON of any size, streamed. Every line is recorded once however often it is sent: the same file adds ' +
    'nothing, a longer one adds its tail. A bad line is reported and the others go in.',
  consumes: ['application/x-ndjson'],
  querystring: query,
  response: {
    200: Type.Object(
      {
        importId: Type.String(),
        rows: Type.Integer({ description: 'lines read, bad ones included' }),
        sessions: Type.Integer({ description: 'sessions newly begun' }),
        events: Type.Integer({ description: 'lines newly recorded, an event each' }),
        rejected: Type.Array(
          Type.Object({ line: Type.Integer(), code: Type.String(), detail: Type.String() }),
        ),
        rejectedCount: Type.Integer({ description: 'all of them; `rejected` shows the first 1,000' }),
        position: Type.String(),
      },
      { description: 'The whole input was read' },
    ),
  },
}

export function importRoutes(deps: AppDependencies): FastifyPluginAsync {
  return async (app) => {
    // The body is not read into memory: the handler takes it line by line.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/x-ndjson', (_request, payload, done) => done(null, payload))

    app.post<{ Querystring: Static<typeof query>; Body: IncomingMessage | undefined }>(
      '/imports',
      { config: { permission: 'imports.run' }, schema: importSchema, bodyLimit: Number.MAX_SAFE_INTEGER },
      async (request, reply) => {
        const { tenant } = request.caller
        const published = await deps.flows.find(tenant, request.query.flowId)
        if (!published)
          throw notFound(
            'flow_unknown',
            `There is no flow ${JSON.stringify(request.query.flowId)} to import into.`,
          )
        const key = idempotencyKeyOf(request)
        const importId = key === undefined ? randomUUID() : derivedId('import', tenant, key)
        const body = request.body ?? Readable.from([])
        const known = key === undefined ? undefined : await completed(tenant, importId)
        if (known) {
          if (known.data.flowId !== published.flow.id || known.data.bodyHash !== (await digest(body)))
            throw problem(422, 'idempotency_key_reused', 'The key was used for another import.')
          reply.header('idempotent-replayed', 'true')
          return answer(reply, { ...known.data, position: known.position }, known.revision)
        }

        let before = { rows: 0, events: 0 }
        const report = await importHistory(
          {
            store: deps.store,
            now: deps.now,
            onProgress(progress) {
              deps.metrics.imported(progress.rows - before.rows, progress.events - before.events)
              before = progress
            },
          },
          {
            importId,
            tenant,
            flowId: published.flow.id,
            flowVersion: published.flow.version,
            actor: actorOf(request.caller),
            correlationId: request.id,
            commandHash: requestHash(request),
          },
          ndjsonSource(body),
        )
        return answer(reply, report, report.revision)
      },
    )
  }

  async function completed(tenant: string, importId: string) {
    for await (const event of deps.store.read(streamName('import', tenant, importId)))
      if (event.type === 'ImportCompleted') {
        const { data } = event as unknown as Extract<ImportEvent, { type: 'ImportCompleted' }>
        return { data, position: event.position, revision: event.revision }
      }
    return undefined
  }
}

type Answer = Omit<ImportReport, 'revision'>

function answer(
  reply: { header(name: string, value: string): unknown },
  report: Answer,
  revision: number,
): Answer {
  reply.header('etag', `"${revision}"`)
  reply.header('gangway-position', report.position)
  const { importId, rows, sessions, events, rejected, rejectedCount, position } = report
  return { importId, rows, sessions, events, rejected, rejectedCount, position }
}

async function digest(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const portion of body) hash.update(portion)
  return hash.digest('hex')
}

/** Of the request without its body, which is not known before it was read. */
function requestHash(request: FastifyRequest): string {
  return createHash('sha256').update(`${request.method} ${request.url}`).digest('hex')
}
