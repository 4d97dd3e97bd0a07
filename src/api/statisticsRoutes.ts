import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { flowUnknown } from '../commands/sessions.ts'
import { waitForReadModel } from './after.ts'
import { queryRoute } from './describe.ts'
import { refused } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'

const count = Type.Integer({ minimum: 0 })
const seconds = Type.Union([Type.Number(), Type.Null()])

const statistics = Type.Object({
  flowId: Type.String(),
  counts: Type.Object({ active: count, paused: count, completed: count, abandoned: count }),
  completionRate: Type.Union([Type.Number(), Type.Null()], {
    description: 'completed ÷ all; null without any',
  }),
  medianSeconds: seconds,
  steps: Type.Array(
    Type.Object({
      stepId: Type.String(),
      started: count,
      submitted: Type.Integer({ minimum: 0, description: 'every completion, repeats too' }),
      failedValidations: count,
      skipped: count,
      medianSeconds: seconds,
      p90Seconds: seconds,
    }),
  ),
})

/** How the sessions of a flow fare. */
export function statisticsRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  /** A flow that is in the log and not in the read models yet. */
  async function justPublished(tenant: string, flowId: string) {
    const published = await deps.flows.find(tenant, flowId)
    if (!published) return null
    await waitForReadModel(deps, 'flows', published.position)
    return deps.statistics.of(tenant, flowId, published.position)
  }

  return async (app) => {
    app.get(
      '/onboarding/statistics',
      queryRoute('statistics.read', 'statistics', {
        summary: 'How the sessions of a flow fare',
        querystring: schemas.object({ flowId: schemas.flowId, after: schemas.after }),
        of: statistics,
      }),
      async ({ caller, query: { flowId, after } }) => {
        await waitForReadModel(deps, 'sessions', after)
        await waitForReadModel(deps, 'flows', after)
        const found =
          (await deps.statistics.of(caller.tenant, flowId, after)) ??
          (await justPublished(caller.tenant, flowId))
        if (!found) throw refused(flowUnknown(flowId))
        return found
      },
    )
  }
}
