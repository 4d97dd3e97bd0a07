import { createHash } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import type { Tickets } from '../services/tickets.ts'
import type { Caller } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import { idempotencyKeyOf } from './idempotencyKey.ts'
import { problem } from './problem.ts'
import { noBody } from './schemas.ts'

/** Long enough to open a socket, too short to be of use in somebody's log. */
const TICKET_SECONDS = 30

const ticketSchema = {
  tags: ['live'],
  summary: 'A ticket for the live socket',
  description:
    'Good once, within 30 seconds, on any node: offer it as subprotocol `gangway.ticket.<ticket>`. For browsers, which cannot set a header.',
  body: noBody,
  response: { 200: Type.Object({ ticket: Type.String(), expiresAt: Type.String({ format: 'date-time' }) }) },
}

export function liveTicketRoutes(
  deps: Pick<AppDependencies, 'now'> & { readonly tickets: Tickets<Caller> },
): FastifyPluginAsync {
  return async (app) => {
    app.post(
      '/onboarding/ticket',
      { config: { permission: 'live.join' }, schema: ticketSchema },
      async (request, reply) => {
        const { caller } = request
        const key = idempotencyKeyOf(request)
        // The hash covers who asks: somebody else's key must not bring back somebody's ticket.
        const hash = createHash('sha256').update(`POST /onboarding/ticket ${caller.sub}`).digest('hex')
        const left = caller.expiresAt - deps.now().getTime() / 1000
        const issued = await deps.tickets.issue(
          caller,
          Math.max(0, Math.min(TICKET_SECONDS, left)),
          key === undefined ? undefined : { tenant: caller.tenant, key, hash },
        )
        if (issued === 'key_reused')
          throw problem(422, 'idempotency_key_reused', 'The key was used for another request.')
        if (issued.replayed) reply.header('idempotent-replayed', 'true')
        reply.header('cache-control', 'no-store')
        return { ticket: issued.ticket, expiresAt: issued.expiresAt }
      },
    )
  }
}
