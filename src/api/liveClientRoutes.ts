import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import type { Presence } from '../services/presence.ts'
import type { AppDependencies } from './dependencies.ts'
import { createLiveSessions } from './liveSessions.ts'
import { notFound } from './problem.ts'

const count = Type.Object({ count: Type.Integer({ minimum: 0 }) })
const schemaOf = (summary: string) => ({ tags: ['live'], summary, response: { 200: count } })
const config = { permission: 'clients.read' } as const

/** How many sockets watch a session and how many a user has open, on all nodes where Redis is configured, else on this one. */
export function liveClientRoutes(
  deps: Pick<AppDependencies, 'handle' | 'flows'> & { readonly presence: Presence },
): FastifyPluginAsync {
  const sessions = createLiveSessions(deps)
  return async (app) => {
    app.get<{ Params: { sessionId: string } }>(
      '/onboarding/session-clients/:sessionId',
      { config, schema: schemaOf('Sockets on a session') },
      async ({ caller, reach, params }) => {
        const owner = await sessions.owner(caller.tenant, params.sessionId)
        if (!owner || (reach === 'own' && owner.userId !== caller.sub))
          throw notFound('session_unknown', 'There is no such session.')
        return { count: await deps.presence.count('session', caller.tenant, params.sessionId) }
      },
    )
    app.get<{ Params: { userId: string } }>(
      '/onboarding/user-clients/:userId',
      { config, schema: schemaOf('Sockets of a user') },
      async ({ caller, reach, params }) => {
        if (reach === 'own' && params.userId !== caller.sub)
          throw notFound('user_unknown', 'There is no such user.')
        return { count: await deps.presence.count('user', caller.tenant, params.userId) }
      },
    )
  }
}
