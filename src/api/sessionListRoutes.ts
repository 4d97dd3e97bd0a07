import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { sessionView } from '../domain/sessionView.ts'
import { listSessions } from '../projections/sessionQueries.ts'
import { waitForReadModel } from './after.ts'
import { queryRoute } from './describe.ts'
import { unknownCursor } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'
import { mayKnow } from './sessionRoutes.ts'

const status = Type.Union(
  (['active', 'paused', 'completed', 'abandoned'] as const).map((status) => Type.Literal(status)),
)

/** The sessions of the tenant, the latest begun first; of a participant, their own. */
export function sessionListRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { pool, sessions } = deps
  return async (app) => {
    app.get(
      '/onboarding/sessions',
      queryRoute('sessions.read', 'sessions', {
        summary: 'Sessions, the latest begun first',
        description: 'A participant sees their own.',
        querystring: schemas.object({
          flowId: Type.Optional(schemas.flowId),
          status: Type.Optional(status),
          userId: Type.Optional(schemas.userId),
          ...schemas.paging,
          after: schemas.after,
        }),
        of: schemas.page(schemas.session),
      }),
      async (request) => {
        const { caller, reach, query } = request
        const { after, limit = 50, ...filter } = query
        await waitForReadModel(deps, 'sessions', after)
        if (reach === 'own' && (filter.userId ?? caller.sub) !== caller.sub)
          return { data: [], nextCursor: null }
        const userId = reach === 'own' ? caller.sub : filter.userId
        const page = await listSessions(pool, caller.tenant, { ...filter, userId, limit })
        if (!page) throw unknownCursor()
        const found = await Promise.all(
          page.data.map(async ({ id }) => ({
            id,
            session: await sessions.find(caller.tenant, id, mayKnow(request)),
          })),
        )
        const data = found.flatMap(({ id, session }) =>
          session ? [sessionView(id, caller.tenant, session.state, session.flow, session.revision)] : [],
        )
        // The list is as old as its read model, each session in it is as of now.
        return {
          data: data.filter((item) => !filter.status || item.status === filter.status),
          nextCursor: page.nextCursor,
        }
      },
    )
  }
}
