import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import Type, { type Static, type TSchema } from 'typebox'
import { definitionHash } from '../analysis/plan/envelope.ts'
import { definitionAggregate } from '../commands/definitions.ts'
import type { Refusal } from '../domain/decider.ts'
import type { DefinitionCommand } from '../domain/definition.ts'
import { type DefinitionKind, definitionKinds } from '../domain/definitionEvents.ts'
import type { JsonObject } from '../domain/json.ts'
import { listDefinitions } from '../projections/definitions.ts'
import { waitForReadModel } from './after.ts'
import { type AnalysisDependencies, analysisProblem, askOfFlow, sendAnalysis } from './analysisAnswer.ts'
import * as shapes from './analyticsSchemas.ts'
import { answer } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandRoute, queryRoute } from './describe.ts'
import { unknownCursor } from './problem.ts'
import * as schemas from './schemas.ts'

interface Saved {
  readonly kind: DefinitionKind
  readonly path: string
  readonly what: string
  readonly definition: TSchema
  readonly answer: TSchema
  readonly bounded: boolean
}

const saved: readonly Saved[] = [
  {
    kind: 'funnel',
    path: '/analytics/funnels/:key',
    what: 'funnel',
    definition: shapes.funnelQuery,
    answer: shapes.funnelAnswer,
    bounded: true,
  },
  {
    kind: 'retention',
    path: '/analytics/retentions/:key',
    what: 'retention',
    definition: shapes.retentionQuery,
    answer: shapes.retentionAnswer,
    bounded: true,
  },
  {
    kind: 'segment',
    path: '/analytics/segments/:key',
    what: 'segment',
    definition: shapes.segmentDefinition,
    answer: shapes.segmentAnswer,
    bounded: false,
  },
]

const keyed = Type.Object({
  key: schemas.name({ description: 'Key of the definition, chosen by who saves it' }),
})
const definitionView = Type.Object({
  kind: Type.Enum([...definitionKinds]),
  key: Type.String(),
  flowId: Type.String(),
  definition: schemas.anyObject,
  definitionHash: Type.String(),
  revision: Type.Integer(),
})
const listedDefinition = Type.Object({
  ...definitionView.properties,
  savedAt: schemas.time,
  savedBy: Type.String(),
})
const bounds = schemas.object({
  from: Type.Optional(
    schemas.name({ description: 'ISO 8601, inclusive: funnels by entry, retentions by cohort' }),
  ),
  to: Type.Optional(schemas.name({ description: 'ISO 8601, exclusive' })),
  after: schemas.after,
})
const listing = schemas.object({
  ...schemas.paging,
  kind: Type.Optional(Type.Enum([...definitionKinds])),
  after: schemas.after,
})
type Keyed = Static<typeof keyed>

/** How long a command waits for this node's index to have seen it, so that the next query of this client has too. */
const SEEN_WITHIN_MS = 1000

/** Saved funnels, retentions and segments: kept as events, their answers kept current by the log. */
export function analyticsDefinitionRoutes(deps: AnalysisDependencies): FastifyPluginAsync {
  const { analysis, handle, store, pool, now } = deps
  const permission = 'analytics.define'

  /** What is saved must be answerable, with everything in view that was saved before it. */
  const mustBeAnswerable = async (tenant: string, kind: DefinitionKind, definition: JsonObject) => {
    const head = await store.head()
    const checked = await askOfFlow(deps, tenant, definition, head, (after) =>
      analysis.check(tenant, kind, definition, after),
    )
    if (checked.is === 'done') return
    if (checked.is === 'answer') throw new Error('the index answered a check')
    throw analysisProblem(checked, String(definition.flowId))
  }

  const change = async (
    request: FastifyRequest,
    kind: DefinitionKind,
    key: string,
    command: () => DefinitionCommand | Refusal | Promise<DefinitionCommand | Refusal>,
  ) => {
    const context = commandContext(request, now())
    const outcome = await handle(definitionAggregate, `${kind}:${key}`, context, command)
    if (outcome.kind === 'accepted') await analysis.reached(outcome.position, SEEN_WITHIN_MS)
    return outcome
  }

  return async (app) => {
    for (const { kind, path, what, definition, answer: of, bounded } of saved) {
      app.put<{ Params: Keyed; Body: JsonObject & { flowId: string } }>(
        path,
        commandRoute(permission, 'analytics', {
          summary: `Save a ${what}, or replace it`,
          params: keyed,
          body: shapes.ofFlow,
          'x-body': definition,
          of: definitionView,
        }),
        async (request, reply) => {
          const { key } = request.params
          const body = request.body
          const outcome = await change(request, kind, key, async () => {
            await mustBeAnswerable(request.caller.tenant, kind, body)
            return { type: 'SaveDefinition', kind, key, definition: body }
          })
          return answer(request, reply, outcome, ({ revision }) => ({
            kind,
            key,
            flowId: body.flowId,
            definition: body,
            definitionHash: definitionHash(body),
            revision,
          }))
        },
      )

      app.get<{ Params: Keyed; Querystring: Static<typeof bounds> }>(
        path,
        queryRoute('analytics.read', 'analytics', {
          summary: `The kept answer of a saved ${what}`,
          params: keyed,
          querystring: bounded ? bounds : schemas.onlyAfter,
          of,
        }),
        async ({ caller, params, query: { after, ...within } }, reply) =>
          sendAnalysis(reply, await analysis.saved(caller.tenant, kind, params.key, within, after)),
      )

      app.delete<{ Params: Keyed }>(
        path,
        commandRoute(permission, 'analytics', {
          summary: `Delete a saved ${what}`,
          params: keyed,
          body: schemas.noBody,
          answers: 204,
          of: Type.Null(),
        }),
        async (request, reply) => {
          const { key } = request.params
          const outcome = await change(request, kind, key, () => ({ type: 'DeleteDefinition', kind, key }))
          if (outcome.kind === 'accepted') reply.code(204)
          return answer(request, reply, outcome, () => undefined)
        },
      )
    }

    app.get<{ Params: Keyed; Querystring: Static<typeof memberPaging> }>(
      '/analytics/segments/:key/members',
      queryRoute('analytics.read', 'analytics', {
        summary: 'Who belongs to a segment',
        params: keyed,
        querystring: memberPaging,
        of: schemas.page(Type.Object({ id: Type.String() })),
      }),
      async ({ caller, params, query: { after, limit = 50, cursor } }, reply) => {
        const from = cursor === undefined ? -1 : Number(/^m(\d{1,9})$/.exec(cursor)?.[1] ?? Number.NaN)
        if (Number.isNaN(from)) throw unknownCursor()
        const result = await analysis.members(caller.tenant, params.key, { from, limit }, after)
        return sendAnalysis(reply, result)
      },
    )

    app.get<{ Querystring: Static<typeof listing> }>(
      '/analytics/definitions',
      queryRoute('analytics.read', 'analytics', {
        summary: 'What was saved',
        querystring: listing,
        of: schemas.page(listedDefinition),
      }),
      async ({ caller, query: { after, limit = 50, ...rest } }) => {
        await waitForReadModel(deps, 'definitions', after)
        const page = await listDefinitions(pool, caller.tenant, { limit, ...rest })
        if (!page) throw unknownCursor()
        return page
      },
    )
  }
}

const memberPaging = schemas.object({ ...schemas.paging, after: schemas.after })
