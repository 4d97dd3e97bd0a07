import { refuse } from '../domain/decider.ts'
import { type FlowState, flowDecider, type PublishFlow } from '../domain/flow.ts'
import type { FlowEvent } from '../domain/flowEvents.ts'
import { sessionDecider } from '../domain/session.ts'
import type { SessionCommand } from '../domain/sessionCommands.ts'
import type { SessionEvent } from '../domain/sessionEvents.ts'
import type { SessionState } from '../domain/sessionState.ts'
import type { Aggregate } from './handle.ts'

export const flowAggregate: Aggregate<FlowState, PublishFlow, FlowEvent> = {
  category: 'flow',
  decider: flowDecider,
}

export const sessionAggregate: Aggregate<SessionState, SessionCommand, SessionEvent> = {
  category: 'session',
  decider: sessionDecider,
  refusalOf(events) {
    const failed = events.find((event) => event.type === 'StepValidationFailed')
    if (!failed) return undefined
    const { stepId, errors } = failed.data
    return refuse(422, 'validation_failed', `The data of step ${stepId} does not fit its schema.`, { errors })
  },
}
