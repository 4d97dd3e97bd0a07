import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { parseTime } from '../analysis/plan/duration.ts'
import { Faults } from '../analysis/plan/fault.ts'
import { listExperiments } from '../projections/experiments.ts'
import { createLogWait, waitForReadModel } from './after.ts'
import type { AnalysisDependencies } from './analysisAnswer.ts'
import { placed } from './answer.ts'
import { queryRoute } from './describe.ts'
import { measured, planPower } from './experimentPower.ts'
import * as shapes from './experimentSchemas.ts'
import { experimentView, loadExperiment, resultsOf } from './experimentView.ts'
import { inputFaults, unknownCursor } from './problem.ts'
import * as schemas from './schemas.ts'

/** What experiments there are, what came of them, and what one would need. */
export function experimentQueryRoutes(deps: AnalysisDependencies): FastifyPluginAsyncTypebox {
  const { handle, store, pool, now } = deps
  const waitForLog = createLogWait(store)

  return async (app) => {
    app.post(
      '/experiments/power',
      queryRoute('experiments.read', 'experiments', {
        summary: 'Units and days that an experiment needs, and what it can find',
        querystring: schemas.onlyAfter,
        body: shapes.powerBody,
        of: shapes.powerAnswer,
      }),
      async ({ caller, body, query: { after } }) => {
        const { experiment } = body
        if (experiment === undefined) return planPower(body)
        const { state } = await loadExperiment(handle, caller.tenant, experiment)
        const results = await resultsOf(deps, caller.tenant, state, {
          asOf: now().getTime(),
          ...(after !== undefined && { after }),
        })
        return planPower({ ...measured(results, state, body.metric), ...body })
      },
    )

    app.get(
      '/experiments',
      queryRoute('experiments.read', 'experiments', {
        summary: 'The experiments of the tenant',
        querystring: schemas.object({
          ...schemas.paging,
          status: Type.Optional(Type.Enum(['draft', 'running', 'stopped'])),
          after: schemas.after,
        }),
        of: schemas.page(shapes.experimentView),
      }),
      async ({ caller, query: { after, limit = 50, ...rest } }) => {
        await waitForReadModel(deps, 'experiments', after)
        const page = await listExperiments(pool, caller.tenant, { limit, ...rest })
        if (!page) throw unknownCursor()
        return page
      },
    )

    app.get(
      '/experiments/:key',
      queryRoute('experiments.read', 'experiments', {
        summary: 'An experiment',
        params: shapes.experimentParams,
        querystring: schemas.onlyAfter,
        of: shapes.experimentView,
      }),
      async ({ caller, params, query }, reply) => {
        await waitForLog(query.after)
        const { state, revision, position } = await loadExperiment(handle, caller.tenant, params.key)
        placed(reply, revision, position)
        return experimentView(state, revision)
      },
    )

    app.get(
      '/experiments/:key/results',
      queryRoute('experiments.read', 'experiments', {
        summary: 'What came of an experiment so far; frozen once it was stopped',
        params: shapes.experimentParams,
        querystring: schemas.object({
          asOf: Type.Optional(schemas.name({ description: 'ISO 8601; nothing later is seen' })),
          after: schemas.after,
        }),
        of: shapes.experimentResults,
      }),
      async ({ caller, params, query: { asOf, after } }) => {
        await waitForLog(after)
        await waitForReadModel(deps, 'assignments', after)
        const { state } = await loadExperiment(handle, caller.tenant, params.key)
        if (state.status === 'stopped') return state.results
        return resultsOf(deps, caller.tenant, state, {
          asOf: asOf === undefined ? now().getTime() : timeOf(asOf),
          keep: asOf === undefined,
          ...(after !== undefined && { after }),
        })
      },
    )
  }
}

function timeOf(text: string): number {
  const faults = new Faults('/asOf')
  const time = parseTime(text, faults)
  if (time === undefined) throw inputFaults(faults.list)
  return time
}
