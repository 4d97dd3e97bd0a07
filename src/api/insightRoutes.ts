import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { sessionAggregate } from '../commands/aggregates.ts'
import type { Models } from '../commands/models.ts'
import { flowUnknown, sessionUnknown } from '../commands/sessions.ts'
import type { JsonObject } from '../domain/json.ts'
import type { TrainedModel } from '../domain/modelEvents.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import type { AnalysisReply } from '../projections/analysis/analysisIndex.ts'
import { type AnalysisDependencies, analysisProblem, askOfFlow, sendAnalysis } from './analysisAnswer.ts'
import { queryRoute } from './describe.ts'
import * as shapes from './insightSchemas.ts'
import { refused } from './problem.ts'
import * as schemas from './schemas.ts'

export interface InsightDependencies extends AnalysisDependencies {
  readonly models: Models<Exclude<AnalysisReply, { is: 'answer' }>>
}

const asOf = Type.Optional(
  Type.String({ description: 'ISO 8601; nothing later is seen. Now unless told', maxLength: 40 }),
)
const onSession = {
  params: schemas.object({ sessionId: schemas.sessionId }),
  querystring: schemas.object({ asOf, after: schemas.after }),
}

/** What one session does, what will become of it, and what would help a flow. */
export function insightRoutes(deps: InsightDependencies): FastifyPluginAsyncTypebox {
  const { handle, analysis, flows, models } = deps

  /** The session's flow, and the position after which the index has seen all of the session. @throws ProblemError 404 */
  async function sessionOf(tenant: string, sessionId: string, after: Position | undefined) {
    const found = await handle.load(sessionAggregate, tenant, sessionId)
    if (!found || found.state.status === 'none') throw refused(sessionUnknown)
    const { position, state } = found
    const latest = after !== undefined && comparePositions(after, position) > 0 ? after : position
    return { flowId: state.flowId, after: latest, status: state.status, flowVersion: state.flowVersion }
  }

  return async (app) => {
    app.get(
      '/onboarding/behavior/:sessionId',
      queryRoute('insights.read', 'analytics', {
        summary: 'What a session does at each step, against what is usual',
        ...onSession,
        of: shapes.behavior,
      }),
      async ({ caller: { tenant }, params: { sessionId }, query }, reply) => {
        const { flowId, after, ...about } = await sessionOf(tenant, sessionId, query.after)
        const body = { flowId, sessionId, ...(query.asOf !== undefined && { asOf: query.asOf }) }
        const result = await analysis.query(tenant, 'behavior', body, after)
        return sendAnalysis(reply, alsoSaying(result, { flowId, ...about }), flowId)
      },
    )

    app.get(
      '/onboarding/prediction/:sessionId',
      queryRoute('insights.read', 'analytics', {
        summary: 'The chance to complete, and the risk to abandon within seven days',
        ...onSession,
        of: shapes.prediction,
      }),
      async ({ caller: { tenant }, params: { sessionId }, query }, reply) => {
        const { flowId, after } = await sessionOf(tenant, sessionId, query.after)
        const outcome = await modelOf(tenant, flowId, after)
        if (outcome.is === 'refused') throw analysisProblem(outcome.why, flowId)
        if (outcome.is === 'unknown')
          return { sessionId, flowId, unknown: outcome.reason, finished: outcome.finished, ...outcome.about }
        const { model } = outcome
        const body = {
          flowId,
          sessionId,
          ...(query.asOf !== undefined && { asOf: query.asOf }),
          model: { choice: model.choice, completion: model.completion, abandon7d: model.abandon7d },
        }
        const result = await analysis.query(tenant, 'prediction', body as unknown as JsonObject, after)
        const named = alsoSaying(result, { sessionId, flowId, model: modelAnswer(model) })
        return sendAnalysis(reply, named, flowId)
      },
    )

    app.get(
      '/onboarding/opportunities',
      queryRoute('insights.read', 'analytics', {
        summary: 'What would win most completions of a flow',
        querystring: schemas.object({ flowId: schemas.flowId, asOf, after: schemas.after }),
        of: shapes.opportunities,
      }),
      async ({ caller: { tenant }, query: { flowId, asOf, after } }, reply) => {
        const published = await flows.find(tenant, flowId)
        if (!published) throw refused(flowUnknown(flowId))
        const order = published.flow.steps.map(({ id }) => id)
        const body = { flowId, order, ...(asOf !== undefined && { asOf }) }
        const result = await askOfFlow(deps, tenant, body, after, (position) =>
          analysis.query(tenant, 'opportunities', body, position),
        )
        return sendAnalysis(reply, result, flowId)
      },
    )
  }

  /** The latest model; where there is none yet, one is trained. */
  async function modelOf(tenant: string, flowId: string, after: Position) {
    const model = await models.latest(tenant, flowId)
    return model ? { is: 'model' as const, model } : models.train(tenant, flowId, after)
  }
}

/** The answer with more members before its own. */
function alsoSaying(result: AnalysisReply, more: object): AnalysisReply {
  if (result.is !== 'answer') return result
  return { ...result, json: `${JSON.stringify(more).slice(0, -1)},${result.json.slice(1)}` }
}

function modelAnswer(model: TrainedModel) {
  const { version, completion, abandon7d, finished, asOf, asOfPosition } = model
  const { auc, brier } = completion.quality
  return {
    version,
    trainedOn: completion.sessions,
    auc,
    brier,
    finished,
    trainedAsOf: asOf,
    trainedAsOfPosition: asOfPosition,
    completion: { trainedOn: completion.sessions, ...completion.quality },
    abandon7d: { trainedOn: abandon7d.sessions, ...abandon7d.quality },
  }
}
