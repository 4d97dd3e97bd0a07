import { randomUUIDv7 } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { SessionOutcome } from '../commands/sessions.ts'
import { sessionUnknown } from '../commands/sessions.ts'
import { derivedId } from '../domain/ids.ts'
import type { Facts, SessionCommand } from '../domain/sessionCommands.ts'
import type { SessionState } from '../domain/sessionState.ts'
import { progressView, sessionView } from '../domain/sessionView.ts'
import { answer, placed } from './answer.ts'
import { commandContext } from './commandContext.ts'
import { commandRoute, queryRoute } from './describe.ts'
import { problem, refused } from './problem.ts'
import * as schemas from './schemas.ts'
import type { SessionDependencies } from './sessionDependencies.ts'

const startBody = schemas.object(
  {
    flowId: schemas.flowId,
    userId: Type.Optional(schemas.userId),
    context: Type.Optional(schemas.anyObject),
  },
  { examples: [{ flowId: 'glavito', context: { plan: 'team' } }] },
)

const stepBody = schemas.object(
  {
    action: Type.Optional(
      Type.Union(
        (['start', 'save', 'submit', 'skip', 'reopen'] as const).map((action) => Type.Literal(action)),
        { default: 'submit' },
      ),
    ),
    data: Type.Optional(schemas.json),
  },
  { examples: [{ action: 'submit', data: { name: 'Ann' } }] },
)

const trackBody = schemas.object(
  {
    type: schemas.name({ description: 'What happened' }),
    value: Type.Optional(Type.Number()),
    properties: Type.Optional(schemas.anyObject),
  },
  { examples: [{ type: 'video_watched', value: 1, properties: { title: 'Tour' } }] },
)

/** The actions that are a command of their own without a body. */
const commands = {
  pause: { type: 'PauseSession' },
  resume: { type: 'ResumeSession' },
  complete: { type: 'CompleteSession' },
  abandon: { type: 'AbandonSession', reason: 'requested' },
} as const

const sessionParams = Type.Object({ sessionId: schemas.sessionId })
const stepParams = Type.Object({ sessionId: schemas.sessionId, stepId: schemas.stepId })

/** Everything that is done to one session, and what one session looks like. */
export function sessionRoutes(deps: SessionDependencies): FastifyPluginAsyncTypebox {
  const { sessions, waitForLog, now } = deps

  const act = async (
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    make: (facts: Facts, session: SessionState) => SessionCommand,
  ) => {
    const outcome = await sessions.act(commandContext(request, now()), id, mayKnow(request), make)
    return sendSession(request, reply, id, outcome)
  }

  const sendSession = async (
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    outcome: SessionOutcome,
  ) => {
    if (outcome.kind !== 'accepted') return answer(request, reply, outcome, () => undefined)
    const { tenant } = request.caller
    const flow = await sessions.flowOf(tenant, outcome.state)
    return answer(request, reply, outcome, ({ state, revision }) =>
      sessionView(id, tenant, state, flow, revision),
    )
  }

  const found = async (
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    after: string | undefined,
  ) => {
    await waitForLog(after)
    const session = await sessions.find(request.caller.tenant, id, mayKnow(request))
    if (!session) throw refused(sessionUnknown)
    placed(reply, session.revision, session.position)
    return session
  }

  return async (app) => {
    app.post(
      '/onboarding/start',
      commandRoute('sessions.start', 'sessions', {
        summary: 'Start a session',
        body: startBody,
        answers: 201,
        of: schemas.session,
      }),
      async (request, reply) => {
        const { caller, reach, body } = request
        const userId = body.userId ?? caller.sub
        if (reach === 'own' && userId !== caller.sub)
          throw problem(403, 'forbidden', 'A participant starts sessions for themselves only.')
        const context = commandContext(request, now())
        const id = context.keyed ? derivedId('session', caller.tenant, context.commandId) : randomUUIDv7()
        const given = { flowId: body.flowId, userId, context: body.context ?? {} }
        const outcome = await sessions.start({ ...context, newId: !context.keyed }, id, given)
        // Another participant's first answer under the same key is not this one's to see.
        const foreign = outcome.kind === 'accepted' && reach === 'own' && outcome.state.userId !== caller.sub
        if (outcome.kind === 'accepted' && !foreign) reply.code(201)
        return sendSession(request, reply, id, foreign ? { kind: 'key_reused' } : outcome)
      },
    )

    for (const [action, command] of Object.entries(commands))
      app.post(
        `/onboarding/${action}/:sessionId`,
        commandRoute('sessions.act', 'sessions', {
          summary: `${titles[action as keyof typeof titles]} a session`,
          params: sessionParams,
          body: schemas.noBody,
          of: schemas.session,
        }),
        (request, reply) =>
          act(request, reply, request.params.sessionId, (facts) => ({ ...facts, ...command })),
      )

    app.put(
      '/onboarding/step/:sessionId/:stepId',
      commandRoute('sessions.act', 'sessions', {
        summary: 'Start, save, submit, skip or reopen a step',
        description:
          'A submission that does not fit the schema of the step is refused with pointers, and is recorded as what it is.',
        params: stepParams,
        body: stepBody,
        of: schemas.session,
      }),
      (request, reply) => {
        const { sessionId, stepId } = request.params
        const { action = 'submit', data = {} } = request.body
        return act(request, reply, sessionId, (facts) => stepCommand(facts, action, stepId, data))
      },
    )

    app.post(
      '/onboarding/track/:sessionId',
      commandRoute('sessions.act', 'sessions', {
        summary: 'Record a signal',
        params: sessionParams,
        body: trackBody,
        of: schemas.session,
      }),
      (request, reply) => {
        const { type: signal, value, properties } = request.body
        return act(request, reply, request.params.sessionId, (facts) => ({
          ...facts,
          type: 'TrackSignal',
          signal,
          ...(value !== undefined && { value }),
          ...(properties !== undefined && { properties: properties as never }),
        }))
      },
    )

    app.get(
      '/onboarding/session/:sessionId',
      queryRoute('sessions.read', 'sessions', {
        summary: 'A session',
        params: sessionParams,
        querystring: schemas.onlyAfter,
        of: schemas.session,
      }),
      async (request, reply) => {
        const { sessionId } = request.params
        const { state, flow, revision } = await found(request, reply, sessionId, request.query.after)
        return sessionView(sessionId, request.caller.tenant, state, flow, revision, now().toISOString())
      },
    )

    app.get(
      '/onboarding/progress/:sessionId',
      queryRoute('sessions.read', 'sessions', {
        summary: 'How far a session is',
        params: sessionParams,
        querystring: schemas.onlyAfter,
        of: schemas.progress,
      }),
      async (request, reply) => {
        const { sessionId } = request.params
        const { state, flow } = await found(request, reply, sessionId, request.query.after)
        return progressView(state, flow)
      },
    )
  }
}

const titles = { pause: 'Pause', resume: 'Resume', complete: 'Complete', abandon: 'Abandon' } as const

/** A participant knows their own sessions only. */
export function mayKnow({ reach, caller }: Pick<FastifyRequest, 'reach' | 'caller'>) {
  return (session: SessionState) => reach === 'tenant' || session.userId === caller.sub
}

function stepCommand(
  facts: Facts,
  action: 'start' | 'save' | 'submit' | 'skip' | 'reopen',
  stepId: string,
  data: unknown,
): SessionCommand {
  switch (action) {
    case 'start':
      return { ...facts, type: 'StartStep', stepId }
    case 'save':
      return { ...facts, type: 'SaveStep', stepId, data }
    case 'submit':
      return { ...facts, type: 'SubmitStep', stepId, data }
    case 'skip':
      return { ...facts, type: 'SkipStep', stepId }
    case 'reopen':
      return { ...facts, type: 'ReopenStep', stepId }
  }
}
