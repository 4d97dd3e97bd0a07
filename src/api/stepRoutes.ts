import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { flowUnknown, sessionUnknown } from '../commands/sessions.ts'
import { refuse } from '../domain/decider.ts'
import type { CompiledFlow, CompiledStep } from '../domain/flow.ts'
import { stepDefinitionSchema } from '../domain/flowDefinition.ts'
import { validateAnswer } from '../domain/validateAnswer.ts'
import type { Caller } from './auth.ts'
import { queryRoute } from './describe.ts'
import { hostileParts } from './hostileText.ts'
import { inputFaults, problem, refused } from './problem.ts'
import { reachOf } from './roles.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'
import { mayKnow } from './sessionRoutes.ts'

const params = Type.Object({ stepId: schemas.stepId })
const ofFlow = {
  flowId: schemas.flowId,
  version: Type.Optional(schemas.version),
  sessionId: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'The step as this session of the flow has it: in its version, as its variants change it',
    }),
  ),
}
interface StepAsked {
  readonly flowId: string
  readonly version?: number
  readonly sessionId?: string
}

const verdict = Type.Object({ valid: Type.Boolean(), errors: Type.Array(schemas.inputFault) })

const configuration = Type.Intersect([
  Type.Object({ flowId: Type.String(), version: Type.Integer() }),
  stepDefinitionSchema,
])

/** What a step asks for, and whether some data would do; nothing here records anything. */
export function stepRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { flows, sessions, waitForLog } = deps

  async function flowAsked(caller: Caller, { flowId, version, sessionId }: StepAsked): Promise<CompiledFlow> {
    if (sessionId !== undefined) {
      const reach = reachOf(caller.roles, 'sessions.read') ?? 'own'
      const session = await sessions.find(caller.tenant, sessionId, mayKnow({ reach, caller }))
      const fits = version === undefined || version === session?.flow.version
      if (session?.flow.id !== flowId || !fits) throw refused(sessionUnknown)
      return session.flow
    }
    const published = await flows.find(caller.tenant, flowId, version)
    if (!published) throw refused(flowUnknown(flowId))
    return published.flow
  }

  async function stepOf(caller: Caller, asked: StepAsked, stepId: string) {
    const flow = await flowAsked(caller, asked)
    const step = flow.stepById.get(stepId)
    if (!step) throw refused(stepUnknown(flow, stepId))
    return { flow, step }
  }

  async function validate(caller: Caller, stepId: string, asked: StepAsked & { readonly data: unknown }) {
    const { step } = await stepOf(caller, asked, stepId)
    const errors = validateAnswer(step, asked.data)
    return { valid: errors.length === 0, errors }
  }

  return async (app) => {
    app.get(
      '/onboarding/step/:stepId/configuration',
      queryRoute('steps.read', 'steps', {
        summary: 'What a step is and asks for',
        params,
        querystring: schemas.object({ ...ofFlow, after: schemas.after }),
        of: configuration,
      }),
      async ({ caller, params, query }) => {
        await waitForLog(query.after)
        const { flow, step } = await stepOf(caller, query, params.stepId)
        return stepConfiguration(flow, step)
      },
    )

    app.post(
      '/onboarding/validate-step/:stepId',
      queryRoute('steps.read', 'steps', {
        summary: 'Whether data would do for a step',
        description: 'Records nothing, and takes no notice of an Idempotency-Key.',
        params,
        querystring: schemas.onlyAfter,
        body: schemas.object({ ...ofFlow, data: schemas.json }),
        of: verdict,
      }),
      async ({ caller, params, query, body }) => {
        await waitForLog(query.after)
        return validate(caller, params.stepId, body)
      },
    )

    app.get(
      '/onboarding/validate-step/:stepId',
      queryRoute('steps.read', 'steps', {
        summary: 'Whether data would do for a step',
        params,
        querystring: schemas.object({
          ...ofFlow,
          data: Type.String({ description: 'JSON, URL-encoded' }),
          after: schemas.after,
        }),
        of: verdict,
      }),
      async ({ caller, params, query }) => {
        await waitForLog(query.after)
        return validate(caller, params.stepId, { ...query, data: parse(query.data) })
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
