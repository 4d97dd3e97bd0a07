import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { experimentAggregate, outsideFaults } from '../commands/experiments.ts'
import type { Outcome } from '../commands/handle.ts'
import { createSessions, flowUnknown } from '../commands/sessions.ts'
import type { AssignmentState } from '../domain/assignment.ts'
import type { Refusal } from '../domain/decider.ts'
import type { ExperimentCommand, ExperimentState } from '../domain/experiment.ts'
import { experimentDefinitionSchema } from '../domain/experimentDefinition.ts'
import type { ExperimentEvent } from '../domain/experimentEvents.ts'
import { derivedId } from '../domain/ids.ts'
import { keepResults, type Results } from '../projections/experimentResults.ts'
import { waitForReadModel } from './after.ts'
import { answer } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandRoute } from './describe.ts'
import * as shapes from './experimentSchemas.ts'
import { unitOf } from './experimentUnit.ts'
import { type ExperimentDependencies, experimentView, loadExperiment, resultsOf } from './experimentView.ts'
import { problem } from './problem.ts'
import * as schemas from './schemas.ts'
import { mayKnow } from './sessionRoutes.ts'

/** Results kept at a stop may have this many characters, well below what an event holds. */
const MOST_TEXT = 400_000

/** Experiments are drafted, started and stopped; units are assigned and exposed. */
export function experimentRoutes(deps: ExperimentDependencies): FastifyPluginAsyncTypebox {
  const { handle, flows, store, pool, experiments, now } = deps
  const sessions = createSessions({ handle, flows })

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
    return answer(request, reply, outcome, ({ state, revision }) => experimentView(state, revision))
  }

  /** The results as of now, everything recorded before them included. */
  const finalResults = async (tenant: string, state: ExperimentState, at: string): Promise<Results> => {
    const after = await store.head()
    await waitForReadModel(deps, 'assignments', after)
    const stopped = { ...state, status: 'stopped' } as const
    const asked = { asOf: Date.parse(at), after, keep: false }
    const results: Results = { ...(await resultsOf(deps, tenant, stopped, asked)), stoppedAt: at }
    if (JSON.stringify(results).length <= MOST_TEXT) return results
    const warnings = [...(results.warnings as string[]), 'the series was too long to be kept']
    return { ...results, series: [], warnings }
  }

  return async (app) => {
    app.post(
      '/experiments',
      commandRoute('experiments.define', 'experiments', {
        summary: 'Draft an experiment, or replace its draft',
        body: experimentDefinitionSchema,
        answers: 201,
        of: shapes.experimentView,
      }),
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
      commandRoute('experiments.define', 'experiments', {
        summary: 'Start an experiment: units are assigned from here on',
        params: shapes.experimentParams,
        body: schemas.noBody,
        of: shapes.experimentView,
      }),
      (request, reply) => change(request, reply, request.params.key, () => ({ type: 'StartExperiment' })),
    )

    app.post(
      '/experiments/:key/stop',
      commandRoute('experiments.define', 'experiments', {
        summary: 'Stop an experiment and keep its results as they stand',
        params: shapes.experimentParams,
        body: shapes.stopBody,
        of: shapes.experimentView,
      }),
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
      commandRoute('experiments.assign', 'experiments', {
        summary: 'The variant of a user or session, assigned once',
        params: shapes.experimentParams,
        body: shapes.assignBody,
        of: shapes.assigned,
      }),
      async (request, reply) => {
        const { caller, body, params } = request
        const { state } = await loadExperiment(handle, caller.tenant, params.key)
        const { unitId, known } = await unitOf(deps, request, state.definition!.unit)
        const attributes = { ...known, ...body.attributes } as never
        const context = commandContext(request, now())
        const outcome = await experiments.assign(context, params.key, unitId, attributes)
        return answer(request, reply, outcome, ({ state }) => assignedView(params.key, state))
      },
    )

    app.post(
      '/experiments/:key/exposures',
      commandRoute('sessions.act', 'experiments', {
        summary: 'Record that a session was shown its variant',
        description:
          'For what is shown outside of a flow’s steps: the variants of a flow are recorded where a session starts.',
        params: shapes.experimentParams,
        body: shapes.exposureBody,
        of: shapes.assigned,
      }),
      async (request, reply) => {
        const { caller, params, body } = request
        const { state } = await loadExperiment(handle, caller.tenant, params.key)
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
        const { variant } = assigned.state.assigned!
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
        return answer(request, reply, outcome, () => assignedView(params.key, assigned.state))
      },
    )
  }
}

function assignedView(experiment: string, { assigned }: AssignmentState) {
  const { variant, hash } = assigned!
  return { experiment, variant, inExperiment: variant !== null, hash }
}
