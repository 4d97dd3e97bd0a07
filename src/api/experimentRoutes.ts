import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { parseTime } from '../analysis/plan/duration.ts'
import { Faults } from '../analysis/plan/fault.ts'
import {
  type Experiments,
  experimentAggregate,
  experimentUnknown,
  outsideFaults,
} from '../commands/experiments.ts'
import type { Loaded, Outcome } from '../commands/handle.ts'
import { createSessions, flowUnknown } from '../commands/sessions.ts'
import type { Refusal } from '../domain/decider.ts'
import type { ExperimentCommand, ExperimentState } from '../domain/experiment.ts'
import { experimentDefinitionSchema } from '../domain/experimentDefinition.ts'
import type { ExperimentEvent } from '../domain/experimentEvents.ts'
import { derivedId } from '../domain/ids.ts'
import { computeResults, keepResults, type Results } from '../projections/experimentResults.ts'
import { listExperiments } from '../projections/experiments.ts'
import { createLogWait, waitForReadModel } from './after.ts'
import { type AnalysisDependencies, analysisProblem } from './analysisAnswer.ts'
import { answer, placed } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandSchema, querySchema } from './describe.ts'
import { measured, planPower } from './experimentPower.ts'
import * as shapes from './experimentSchemas.ts'
import { unitOf } from './experimentUnit.ts'
import { inputFaults, ProblemError, problem, problemOfRefusal } from './problem.ts'
import * as schemas from './schemas.ts'
import { mayKnow } from './sessionRoutes.ts'

export interface ExperimentDependencies extends AnalysisDependencies {
  readonly experiments: Experiments
}

/** Results kept at a stop may have this many characters, well below what an event holds. */
const MOST_TEXT = 400_000

/** Experiments: drafted, started, stopped, and what came of them. */
export function experimentRoutes(deps: ExperimentDependencies): FastifyPluginAsyncTypebox {
  const { handle, flows, store, pool, experiments, now } = deps
  const waitForLog = createLogWait(store)
  const sessions = createSessions({ handle, flows })

  const found = async (tenant: string, key: string): Promise<Loaded<ExperimentState>> => {
    const loaded = await handle.load(experimentAggregate, tenant, key)
    if (!loaded) throw new ProblemError(problemOfRefusal(experimentUnknown(key)))
    return loaded
  }

  const change = async (
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
    command: (
      state: ExperimentState,
      at: string,
    ) => ExperimentCommand | Refusal | Promise<ExperimentCommand | Refusal>,
    status = 200,
  ) => {
    const outcome: Outcome<ExperimentState, ExperimentEvent> = await handle(
      experimentAggregate,
      key,
      commandContext(request, now()),
      command,
    )
    if (outcome.kind === 'accepted') {
      reply.code(status)
      await experiments.reached(outcome.position)
    }
    return answer(request, reply, outcome, ({ state, revision }) => viewOf(state, revision))
  }

  /** The results as of now, everything recorded before them included. */
  const finalResults = async (tenant: string, state: ExperimentState, at: string): Promise<Results> => {
    const after = await store.head()
    await waitForReadModel(deps, 'assignments', after)
    const stopped = { ...state, status: 'stopped' } as const
    const asked = { asOf: Date.parse(at), after, keep: false }
    const computed = await computeResults(deps, tenant, stopped, asked)
    if (computed.is !== 'results') throw analysisProblem(computed)
    const results: Results = { ...computed.results, stoppedAt: at }
    if (JSON.stringify(results).length <= MOST_TEXT) return results
    const warnings = [...(results.warnings as string[]), 'the series was too long to be kept']
    return { ...results, series: [], warnings }
  }

  return async (app) => {
    app.post(
      '/experiments',
      {
        config: { permission: 'experiments.define' },
        schema: commandSchema('experiments', 'Draft an experiment, or replace its draft', {
          body: experimentDefinitionSchema,
          answers: 201,
          of: shapes.experimentView,
        }),
      },
      async (request, reply) => {
        const definition = request.body
        const { tenant } = request.caller
        const define = async (): Promise<ExperimentCommand | Refusal> => {
          const faults = await outsideFaults(flows, tenant, definition)
          return faults ? { type: 'DefineExperiment', definition, faults } : flowUnknown(definition.flowId!)
        }
        return change(request, reply, definition.key, define, 201)
      },
    )

    app.post(
      '/experiments/:key/start',
      {
        config: { permission: 'experiments.define' },
        schema: commandSchema('experiments', 'Start an experiment: units are assigned from here on', {
          params: shapes.experimentParams,
          body: schemas.noBody,
          of: shapes.experimentView,
        }),
      },
      (request, reply) => change(request, reply, request.params.key, () => ({ type: 'StartExperiment' })),
    )

    app.post(
      '/experiments/:key/stop',
      {
        config: { permission: 'experiments.define' },
        schema: commandSchema('experiments', 'Stop an experiment and keep its results as they stand', {
          params: shapes.experimentParams,
          body: shapes.stopBody,
          of: shapes.experimentView,
        }),
      },
      async (request, reply) => {
        const { tenant } = request.caller
        const { key } = request.params
        const reason = request.body?.reason
        let kept: Results | undefined
        const answered = await change(request, reply, key, async (state, at) => {
          kept = state.status === 'running' ? await finalResults(tenant, state, at) : undefined
          return { type: 'StopExperiment', ...(reason !== undefined && { reason }), results: kept }
        })
        if (kept && reply.statusCode === 200) await keepResults(pool, tenant, key, kept)
        return answered
      },
    )

    app.post(
      '/experiments/:key/assign',
      {
        config: { permission: 'experiments.assign' },
        schema: commandSchema('experiments', 'The variant of a user or session, assigned once', {
          params: shapes.experimentParams,
          body: shapes.assignBody,
          of: shapes.assigned,
        }),
      },
      async (request, reply) => {
        const { caller, body, params } = request
        const { state } = await found(caller.tenant, params.key)
        const { unitId, known } = await unitOf(deps, request, state.definition!.unit)
        const attributes = { ...known, ...body.attributes } as never
        const context = commandContext(request, now())
        const outcome = await experiments.assign(context, params.key, unitId, attributes)
        return answer(request, reply, outcome, ({ state }) => {
          const { variant, hash } = state.assigned!
          return { experiment: params.key, variant, inExperiment: variant !== null, hash }
        })
      },
    )

    app.post(
      '/experiments/:key/exposures',
      {
        config: { permission: 'sessions.act' },
        schema: commandSchema('experiments', 'Record that a session was shown its variant', {
          description:
            'For what is shown outside of a flow’s steps: the variants of a flow are recorded where a session starts.',
          params: shapes.experimentParams,
          body: shapes.exposureBody,
          of: shapes.assigned,
        }),
      },
      async (request, reply) => {
        const { caller, params, body } = request
        const { state } = await found(caller.tenant, params.key)
        const { unit, variants } = state.definition!
        const { unitId, known } = await unitOf(deps, request, unit)
        const context = commandContext(request, now())
        const own = {
          ...context,
          commandId: derivedId('exposure', context.commandId, params.key),
          keyed: false,
          ifMatch: undefined,
        }
        const assigned = await experiments.assign(own, params.key, unitId, known)
        if (assigned.kind !== 'accepted') return answer(request, reply, assigned, () => undefined)
        const { variant, hash } = assigned.state.assigned!
        const shown = variants.find(({ key }) => key === variant)
        if (!shown) throw problem(409, 'not_in_experiment', 'The unit is outside the experiment.')
        if (shown.overrides)
          throw problem(
            409,
            'shown_at_start',
            'This variant changes steps: sessions show it from their start.',
          )
        const outcome = await sessions.act(context, body.sessionId, mayKnow(request), (facts) => ({
          ...facts,
          type: 'RecordExposure',
          experiment: params.key,
          variant: shown.key,
        }))
        return answer(request, reply, outcome, () => ({
          experiment: params.key,
          variant,
          inExperiment: variant !== null,
          hash,
        }))
      },
    )

    app.post(
      '/experiments/power',
      {
        config: { permission: 'experiments.read' },
        schema: querySchema('experiments', 'Units and days that an experiment needs, and what it can find', {
          querystring: schemas.onlyAfter,
          body: shapes.powerBody,
          of: shapes.powerAnswer,
        }),
      },
      async ({ caller, body, query: { after } }) => {
        const { experiment } = body
        if (experiment === undefined) return planPower(body)
        const { state } = await found(caller.tenant, experiment)
        const computed = await computeResults(deps, caller.tenant, state, {
          asOf: now().getTime(),
          ...(after !== undefined && { after }),
        })
        if (computed.is !== 'results') throw analysisProblem(computed)
        return planPower({ ...measured(computed.results, state, body.metric), ...body })
      },
    )

    app.get(
      '/experiments',
      {
        config: { permission: 'experiments.read' },
        schema: querySchema('experiments', 'The experiments of the tenant', {
          querystring: schemas.object({
            ...schemas.paging,
            status: Type.Optional(Type.Enum(['draft', 'running', 'stopped'])),
            after: schemas.after,
          }),
          of: schemas.page(shapes.experimentView),
        }),
      },
      async ({ caller, query: { after, limit = 50, ...rest } }) => {
        await waitForReadModel(deps, 'experiments', after)
        const page = await listExperiments(pool, caller.tenant, { limit, ...rest })
        if (!page) throw inputFaults([{ pointer: '/cursor', detail: 'is no cursor of this list' }])
        return page
      },
    )

    app.get(
      '/experiments/:key',
      {
        config: { permission: 'experiments.read' },
        schema: querySchema('experiments', 'An experiment', {
          params: shapes.experimentParams,
          querystring: schemas.onlyAfter,
          of: shapes.experimentView,
        }),
      },
      async ({ caller, params, query }, reply) => {
        await waitForLog(query.after)
        const { state, revision, position } = await found(caller.tenant, params.key)
        placed(reply, revision, position)
        return viewOf(state, revision)
      },
    )

    app.get(
      '/experiments/:key/results',
      {
        config: { permission: 'experiments.read' },
        schema: querySchema('experiments', 'What came of an experiment so far; frozen once it was stopped', {
          params: shapes.experimentParams,
          querystring: schemas.object({
            asOf: Type.Optional(schemas.name({ description: 'ISO 8601; nothing later is seen' })),
            after: schemas.after,
          }),
          of: shapes.experimentResults,
        }),
      },
      async ({ caller, params, query: { asOf, after } }) => {
        await waitForLog(after)
        await waitForReadModel(deps, 'assignments', after)
        const { state } = await found(caller.tenant, params.key)
        if (state.status === 'stopped') return state.results
        const computed = await computeResults(deps, caller.tenant, state, {
          asOf: asOf === undefined ? now().getTime() : timeOf(asOf),
          keep: asOf === undefined,
          ...(after !== undefined && { after }),
        })
        if (computed.is !== 'results') throw analysisProblem(computed)
        return computed.results
      },
    )
  }
}

function viewOf(state: ExperimentState, revision: number) {
  const { definition, status, weights, startedAt, stoppedAt } = state
  const { key, flowId } = definition!
  return {
    key,
    ...(flowId !== undefined && { flowId }),
    status,
    definition,
    weights,
    ...(startedAt !== undefined && { startedAt }),
    ...(stoppedAt !== undefined && { stoppedAt }),
    revision,
  }
}

function timeOf(text: string): number {
  const faults = new Faults('/asOf')
  const time = parseTime(text, faults)
  if (time === undefined) throw inputFaults(faults.list)
  return time
}
