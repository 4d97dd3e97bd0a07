import { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { parseReplayPoint, replaySession } from '../commands/replaySession.ts'
import type { StoredEvent } from '../domain/envelope.ts'
import { START } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import type { Audit } from '../eventStore/audit.ts'
import type { VerifyReport } from '../eventStore/verifyLog.ts'
import { createLogWait } from './after.ts'
import { type AuditPage, auditEvents } from './auditEvents.ts'
import { auditSchemas, type eventsQuery, type replayQuery, type streamQuery } from './auditSchemas.ts'
import type { AppDependencies } from './dependencies.ts'
import { inputFaults, notFound } from './problem.ts'
import type { onlyAfter } from './schemas.ts'

export interface AuditDependencies extends AppDependencies {
  readonly audit: Audit
}

interface Waiting {
  Querystring: Static<typeof onlyAfter>
}

const config = { permission: 'audit.read' } as const
const DEFAULT_LIMIT = 50
/** How long a page is looked for before what was found is answered, with a cursor to go on. */
const SEARCH_MS = 4000

/** The log as an auditor reads it: events as stored, sessions as they were, and whether all of it is what was written. */
export function auditRoutes(deps: AuditDependencies): FastifyPluginAsync {
  const { store, flows, audit } = deps
  const waitForLog = createLogWait(store)
  const verify = oncePerTenant((tenant) => audit.verify({ tenant }))
  return async (app) => {
    app.get<{ Querystring: Static<typeof eventsQuery> }>(
      '/audit/events',
      { config, schema: auditSchemas.events },
      async (request, reply) => {
        const { from = START, cursor, limit = DEFAULT_LIMIT, after, ...filter } = request.query
        await waitForLog(after)
        const streamed = wantsLines(request)
        const pages = auditEvents(
          store,
          request.caller.tenant,
          cursor ?? from,
          filter,
          streamed ? 500 : limit + 1,
        )
        return streamed ? sendLines(reply, pages) : firstPage(pages, limit, cursor ?? from)
      },
    )

    app.get<{ Params: { stream: string }; Querystring: Static<typeof streamQuery> }>(
      '/audit/streams/:stream',
      { config, schema: auditSchemas.stream },
      async (request, reply) => {
        const { stream } = request.params
        const { tenant } = request.caller
        const { limit = DEFAULT_LIMIT, cursor = START, after } = request.query
        await waitForLog(after)
        const own = parseStreamName(stream)?.tenant === tenant
        if (!own || !(await store.heads([stream])).has(stream))
          throw notFound('stream_unknown', 'There is no such stream.')
        const pages = auditEvents(store, tenant, cursor, { stream }, limit + 1)
        return wantsLines(request) ? sendLines(reply, pages) : firstPage(pages, limit, cursor)
      },
    )

    app.get<{ Params: { sessionId: string }; Querystring: Static<typeof replayQuery> }>(
      '/audit/sessions/:sessionId',
      { config, schema: auditSchemas.session },
      async ({ caller, params, query }) => {
        const at = query.at === undefined ? undefined : parseReplayPoint(query.at)
        if (query.at !== undefined && !at)
          throw inputFaults([
            { pointer: '/at', detail: 'must be a revision or an ISO 8601 time with its zone' },
          ])
        await waitForLog(query.after)
        const replayed = await replaySession({ store, flows }, caller.tenant, params.sessionId, at)
        if (replayed) return replayed
        throw notFound('session_unknown', `There is no such session${at ? ' up to then' : ''}.`)
      },
    )

    app.get<Waiting>('/audit/verify', { config, schema: auditSchemas.verify }, async ({ caller, query }) => {
      await waitForLog(query.after)
      const { ok, events, streams, checkpoint, firstFault } = await verify(caller.tenant)
      return {
        ok,
        events,
        streams,
        checkpoint,
        ...(firstFault && { firstFault }),
        publicKey: audit.key.publicKey,
      }
    })
  }
}

function wantsLines(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('application/x-ndjson') ?? false
}

/** One page, and where the next one begins. */
async function firstPage(pages: AsyncGenerator<AuditPage>, limit: number, from: string) {
  const data: StoredEvent[] = []
  const deadline = Date.now() + SEARCH_MS
  let through = from
  for await (const page of pages) {
    data.push(...page.events)
    through = page.through
    if (data.length > limit) {
      const cut = data.slice(0, limit)
      return { data: cut, nextCursor: cut.at(-1)!.position }
    }
    if (Date.now() > deadline) return { data, nextCursor: through }
  }
  return { data, nextCursor: null }
}

/** To the end of the log, a line an event, as fast as the client reads. */
function sendLines(reply: FastifyReply, pages: AsyncGenerator<AuditPage>): FastifyReply {
  async function* lines() {
    for await (const { events } of pages)
      if (events.length > 0) yield Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }
  // One page waits while another is on its way to the client.
  return reply.type('application/x-ndjson').send(Readable.from(lines(), { highWaterMark: 1 }))
}

/** Asked for while it runs, the verification of a tenant is the one that runs. */
function oncePerTenant(verify: (tenant: string) => Promise<VerifyReport>) {
  const running = new Map<string, Promise<VerifyReport>>()
  return (tenant: string) => {
    const run = running.get(tenant) ?? verify(tenant).finally(() => running.delete(tenant))
    running.set(tenant, run)
    return run
  }
}
