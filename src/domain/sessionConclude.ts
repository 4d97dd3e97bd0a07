import type { CompiledFlow } from './flow.ts'
import type { Facts } from './sessionCommands.ts'
import { estimateCompletion } from './sessionEstimate.ts'
import type { SessionEvent } from './sessionEvents.ts'
import { evolveSession, pair, type SessionState } from './sessionState.ts'
import { type Survey, survey } from './sessionSurvey.ts'

/** An event that may change what is left to do, and therefore when it will be done. */
type Estimated = Extract<SessionEvent, { data: { estimatedCompletion?: string } }>

/** The event with the completion estimated as the session stands after it, then what follows from it. */
export function concludeEstimated(facts: Facts, session: SessionState, event: Estimated): SessionEvent[] {
  const { after, outlook } = lookAhead(facts, session, event, facts.flow)
  const estimatedCompletion = estimateCompletion(outlook, facts.at, facts.estimates)
  const decided = { ...event, data: { ...event.data, estimatedCompletion } } as SessionEvent
  return [decided, ...failures(after, outlook), ...milestones(after, outlook, facts.flow)]
}

/**
 * The event, then what follows from it by the rules of the flow the session is on after it: conditions that fail and milestones
 * reached, each recorded once in a session's life.
 */
export function conclude(
  facts: Facts,
  session: SessionState,
  event: SessionEvent,
  flow: CompiledFlow = facts.flow,
): SessionEvent[] {
  const { after, outlook } = lookAhead(facts, session, event, flow)
  return [event, ...failures(after, outlook), ...milestones(after, outlook, flow)]
}

/** The completion comes last, so that whoever waits for it has seen the milestones that it reaches. */
export function concludeCompletion(facts: Facts, session: SessionState): SessionEvent[] {
  const completed: SessionEvent = { type: 'SessionCompleted', data: {} }
  const { after, outlook } = lookAhead(facts, session, completed, facts.flow)
  return [...failures(after, outlook), ...milestones(after, outlook, facts.flow), completed]
}

function lookAhead(facts: Facts, session: SessionState, event: SessionEvent, flow: CompiledFlow) {
  const after = evolveSession(session, { ...event, metadata: { occurredAt: facts.at } })
  return { after, outlook: survey(after, flow, facts.profile) }
}

function failures(session: SessionState, outlook: Survey): SessionEvent[] {
  return outlook.steps.flatMap(({ step, failure }) =>
    failure === undefined || session.failures.has(pair(step.id, failure))
      ? []
      : [{ type: 'ConditionFailed', data: { stepId: step.id, message: failure } }],
  )
}

function milestones(session: SessionState, outlook: Survey, flow: CompiledFlow): SessionEvent[] {
  return flow.milestones
    .filter((milestone) => outlook.progress >= milestone && !session.milestones.includes(milestone))
    .map((milestone) => ({ type: 'MilestoneReached', data: { milestone } }))
}
