import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { flowAggregate } from '../commands/aggregates.ts'
import type { PublishedFlow } from '../commands/flows.ts'
import { flowUnknown } from '../commands/sessions.ts'
import { flowDefinitionSchema, localised } from '../domain/flowDefinition.ts'
import { listFlows } from '../projections/flows.ts'
import { waitForReadModel } from './after.ts'
import { answer, placed } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandRoute, queryRoute } from './describe.ts'
import { refused, unknownCursor } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'

const publishedFlow = Type.Object({
  flowId: Type.String(),
  version: schemas.version,
  publishedAt: schemas.time,
  position: schemas.position,
  definition: flowDefinitionSchema,
})

const listedFlow = Type.Object({
  flowId: Type.String(),
  version: schemas.version,
  title: localised,
  steps: Type.Array(Type.String()),
  firstPublishedAt: schemas.time,
  publishedAt: schemas.time,
})

/** Flows are data: a definition is published as the next version and never changed. */
export function flowRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { handle, flows, pool, waitForLog, now } = deps

  return async (app) => {
    app.post(
      '/flows',
      commandRoute('flows.publish', 'flows', {
        summary: 'Publish a flow',
        description:
          'As the next version, also when nothing in it is new. A bad definition is refused with every fault found.',
        body: flowDefinitionSchema,
        answers: 201,
        of: Type.Object({ flowId: Type.String(), version: schemas.version, position: schemas.position }),
      }),
      async (request, reply) => {
        const definition = request.body
        const context = commandContext(request, now())
        const command = { type: 'PublishFlow', definition } as const
        const outcome = await handle(flowAggregate, definition.id, context, () => command)
        if (outcome.kind === 'accepted') reply.code(201)
        return answer(request, reply, outcome, ({ state, position }) => ({
          flowId: definition.id,
          version: state.version,
          position,
        }))
      },
    )

    app.get(
      '/flows',
      queryRoute('flows.read', 'flows', {
        summary: 'The flows of the tenant',
        querystring: schemas.object({ ...schemas.paging, after: schemas.after }),
        of: schemas.page(listedFlow),
      }),
      async ({ caller, query: { after, limit = 50, cursor } }) => {
        await waitForReadModel(deps, 'flows', after)
        const page = await listFlows(pool, caller.tenant, { limit, cursor })
        if (!page) throw unknownCursor()
        return page
      },
    )

    app.get(
      '/flows/:flowId',
      queryRoute('flows.read', 'flows', {
        summary: 'A flow in its latest version',
        params: Type.Object({ flowId: schemas.flowId }),
        querystring: schemas.onlyAfter,
        of: publishedFlow,
      }),
      async ({ caller, params, query }, reply) => {
        await waitForLog(query.after)
        const found = await flows.find(caller.tenant, params.flowId)
        if (!found) throw refused(flowUnknown(params.flowId))
        placed(reply, found.flow.version - 1, found.position)
        return view(found)
      },
    )

    app.get(
      '/flows/:flowId/versions/:version',
      queryRoute('flows.read', 'flows', {
        summary: 'One version of a flow',
        params: Type.Object({ flowId: schemas.flowId, version: Type.String() }),
        querystring: schemas.onlyAfter,
        of: publishedFlow,
      }),
      async ({ caller, params, query }, reply) => {
        await waitForLog(query.after)
        const version = /^[1-9]\d{0,8}$/.test(params.version) ? Number(params.version) : undefined
        const found = version && (await flows.find(caller.tenant, params.flowId, version))
        if (!found) throw refused(flowUnknown(`${params.flowId}, ${params.version}`))
        placed(reply, found.flow.version - 1, found.position)
        return view(found)
      },
    )
  }
}

function view({ flow, publishedAt, position }: PublishedFlow) {
  return { flowId: flow.id, version: flow.version, publishedAt, position, definition: flow.definition }
}
