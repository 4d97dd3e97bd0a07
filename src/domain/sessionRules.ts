import { type Decision, type Refusal, refuse } from './decider.ts'
import { jsonEquals } from './json.ts'
import type {
  AbandonSession,
  CompleteSession,
  Facts,
  RecordAttributes,
  StartSession,
  SubmitStep,
} from './sessionCommands.ts'
import { conclude, concludeCompletion, concludeEstimated } from './sessionConclude.ts'
import type { SessionEvent } from './sessionEvents.ts'
import type { SessionState } from './sessionState.ts'
import { type StepStanding, survey } from './sessionSurvey.ts'
import { validateAnswer } from './validateAnswer.ts'

export function start(command: StartSession, session: SessionState): Decision<SessionEvent> {
  if (session.status !== 'none') return []
  const { flow, userId, context, exposures = [] } = command
  const [started, ...follows] = concludeEstimated(command, session, {
    type: 'SessionStarted',
    data: { flowId: flow.id, flowVersion: flow.version, userId, context },
  })
  const shown = exposures.map((data) => ({ type: 'ExposureRecorded', data }) as const)
  return [started!, ...shown, ...follows]
}

/** What every action on a step asks first: that the step exists, and that its session goes on. */
export function onStep(
  command: Facts & { readonly stepId: string },
  session: SessionState,
  then: (standing: StepStanding) => Decision<SessionEvent>,
): Decision<SessionEvent> {
  const { stepId, flow } = command
  if (!flow.stepById.has(stepId)) {
    return refuse(
      404,
      'step_unknown',
      `The flow ${flow.id} has no step ${stepId} in version ${flow.version}.`,
    )
  }
  if (session.status !== 'active') return notActive(session)
  const standing = survey(session, flow, command.profile).byId.get(stepId)!
  if (!standing.visible) {
    return refuse(409, 'step_hidden', `The step ${stepId} is not part of this session as it stands.`)
  }
  return then(standing)
}

/** What work on a step asks besides: that the steps it depends on are met. */
export function whenUnlocked(
  standing: StepStanding,
  then: () => Decision<SessionEvent>,
): Decision<SessionEvent> {
  const { step, blockedBy } = standing
  if (blockedBy.length === 0) return then()
  return refuse(409, 'dependencies_unmet', `The step ${step.id} waits for ${blockedBy.join(', ')}.`, {
    extra: { dependencies: blockedBy },
  })
}

export function submit(
  command: SubmitStep,
  session: SessionState,
  { step }: StepStanding,
): Decision<SessionEvent> {
  const { stepId, data = {} } = command
  const errors = validateAnswer(step, data)
  if (errors.length > 0) {
    return {
      ...refuse(422, 'validation_failed', `The data of step ${stepId} does not fit its schema.`, { errors }),
      events: [{ type: 'StepValidationFailed', data: { stepId, errors } }],
    }
  }
  return concludeEstimated(command, session, { type: 'StepCompleted', data: { stepId, data } })
}

export function complete(command: CompleteSession, session: SessionState): Decision<SessionEvent> {
  if (session.status === 'completed') return []
  if (session.status !== 'active') return notActive(session)
  const remaining = survey(session, command.flow, command.profile)
    .steps.filter(({ step, visible, met }) => visible && step.required && !met)
    .map(({ step }) => step.id)
  if (remaining.length > 0) {
    return refuse(409, 'steps_remaining', `Still to be done: ${remaining.join(', ')}.`, {
      extra: { steps: remaining },
    })
  }
  return concludeCompletion(command, session)
}

/**
 * Given up on request, or because nothing happened for too long. A paused session rests on purpose and an imported one is history: a
 * scheduled command leaves both alone, and records nothing either when somebody acted since it was sent.
 */
export function abandon(command: AbandonSession, session: SessionState): Decision<SessionEvent> {
  const { reason, flow, at } = command
  if (session.status === 'abandoned') return []
  const given: SessionEvent = { type: 'SessionAbandoned', data: { reason } }
  if (reason === 'inactivity') {
    const idleHours = (Date.parse(at) - Date.parse(session.lastActivityAt)) / 3_600_000
    const dormant = session.status === 'active' && !session.imported && idleHours >= flow.abandonAfterHours
    return dormant ? [given] : []
  }
  return session.status === 'completed' ? notActive(session) : [given]
}

export function recordAttributes(command: RecordAttributes, session: SessionState): Decision<SessionEvent> {
  const { attributes, userId } = command
  const known = Object.entries(attributes).every(
    ([name, value]) => Object.hasOwn(session.context, name) && jsonEquals(session.context[name], value),
  )
  if (known && (userId === undefined || userId === session.userId)) return []
  return conclude(command, session, {
    type: 'AttributesRecorded',
    data: { attributes, ...(userId !== undefined && { userId }) },
  })
}

export function notActive(session: SessionState): Refusal {
  return refuse(409, 'session_not_active', `The session is ${session.status}.`, {
    extra: { sessionStatus: session.status },
  })
}
