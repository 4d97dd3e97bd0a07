import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { flowUnknown } from '../commands/sessions.ts'
import { refuse } from '../domain/decider.ts'
import type { CompiledFlow, CompiledStep } from '../domain/flow.ts'
import { stepDefinitionSchema } from '../domain/flowDefinition.ts'
import { validateAnswer } from '../domain/validateAnswer.ts'
import { querySchema } from './describe.ts'
import { hostileParts } from './hostileText.ts'
import { inputFaults, ProblemError, problem, problemOfRefusal } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'

const params = Type.Object({ stepId: schemas.stepId })
const ofFlow = { flowId: schemas.flowId, version: Type.Optional(schemas.version) }

const verdict = Type.Object({ valid: Type.Boolean(), errors: Type.Array(schemas.inputFault) })

const configuration = Type.Intersect([
  Type.Object({ flowId: Type.String(), version: Type.Integer() }),
  stepDefinitionSchema,
])

/** What a step asks for, and whether some data would do; nothing here records anything. */
export function stepRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { flows, waitForLog } = deps
  const config = { permission: 'steps.read' } as const

  async function stepOf(tenant: string, flowId: string, version: number | undefined, stepId: string) {
    const published = await flows.find(tenant, flowId, version)
    if (!published) throw new ProblemError(problemOfRefusal(flowUnknown(flowId)))
    const { flow } = published
    const step = flow.stepById.get(stepId)
    if (!step) throw new ProblemError(problemOfRefusal(stepUnknown(flow, stepId)))
    return { flow, step }
  }

  async function validate(
    tenant: string,
    stepId: string,
    { flowId, version, data }: { flowId: string; version?: number; data: unknown },
  ) {
    const { step } = await stepOf(tenant, flowId, version, stepId)
    const errors = validateAnswer(step, data)
    return { valid: errors.length === 0, errors }
  }

  return async (app) => {
    app.get(
      '/onboarding/step/:stepId/configuration',
      {
        config,
        schema: querySchema('steps', 'What a step is and asks for', {
          params,
          querystring: schemas.object({ ...ofFlow, after: schemas.after }),
          of: configuration,
        }),
      },
      async ({ caller, params, query }) => {
        await waitForLog(query.after)
        const { flow, step } = await stepOf(caller.tenant, query.flowId, query.version, params.stepId)
        return stepConfiguration(flow, step)
      },
    )

    app.post(
      '/onboarding/validate-step/:stepId',
      {
        config,
        schema: querySchema('steps', 'Whether data would do for a step', {
          description: 'Records nothing, and takes no notice of an Idempotency-Key.',
          params,
          querystring: schemas.onlyAfter,
          body: schemas.object({ ...ofFlow, data: schemas.json }),
          of: verdict,
        }),
      },
      async ({ caller, params, query, body }) => {
        await waitForLog(query.after)
        return validate(caller.tenant, params.stepId, body)
      },
    )

    app.get(
      '/onboarding/validate-step/:stepId',
      {
        config,
        schema: querySchema('steps', 'Whether data would do for a step', {
          params,
          querystring: schemas.object({
            ...ofFlow,
            data: Type.String({ description: 'JSON, URL-encoded' }),
            after: schemas.after,
          }),
          of: verdict,
        }),
      },
      async ({ caller, params, query }) => {
        await waitForLog(query.after)
        return validate(caller.tenant, params.stepId, { ...query, data: parse(query.data) })
      },
    )
  }
}

/** The step as published, with what its absence of a word means filled in. */
export function stepConfiguration(
  flow: CompiledFlow,
  { definition, required, skippable, dependsOn }: CompiledStep,
) {
  return { flowId: flow.id, version: flow.version, ...definition, required, skippable, dependsOn }
}

const stepUnknown = (flow: CompiledFlow, stepId: string) =>
  refuse(
    404,
    'step_unknown',
    `The flow ${flow.id} has no step ${JSON.stringify(stepId)} in version ${flow.version}.`,
  )

function parse(text: string): unknown {
  const data = (() => {
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw problem(400, 'malformed_json', `data is not valid JSON: ${(error as Error).message}`)
    }
  })()
  const hostile = hostileParts({ data })
  if (hostile.length > 0) throw inputFaults(hostile)
  return data
}
