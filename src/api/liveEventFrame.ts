import type { RecordedEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'
import { frameText, type ServerEvent } from './liveFrames.ts'

/** The events that have a frame of their own; every other one is a `session_event`. */
const FRAME_OF: ReadonlyMap<string, ServerEvent> = new Map([
  ['StepCompleted', 'step_completed'],
  ['MilestoneReached', 'milestone_reached'],
  ['StepValidationFailed', 'validation_error'],
  ['ConnectionTested', 'connection_test_result'],
  ['SessionCompleted', 'onboarding_completed'],
])

/** The one frame of an event of a session. */
export function eventFrame(sessionId: string, event: RecordedEvent): string {
  const { type, id, position, revision, metadata } = event
  const data = event.data as JsonObject
  const { occurredAt, actor } = metadata
  const recorded = { sessionId, type, id, position, occurredAt, actor }
  const own = FRAME_OF.get(type)
  if (own) return frameText(own as 'onboarding_completed', { ...data, ...recorded }, revision)
  const step = typeof data.stepId === 'string' ? { stepId: data.stepId } : {}
  return frameText('session_event', { ...recorded, ...step, data }, revision)
}

/** The events after which a session may stand elsewhere than before. */
export const MOVES_PROGRESS: ReadonlySet<string> = new Set([
  'SessionStarted',
  'StepStarted',
  'StepCompleted',
  'StepSkipped',
  'StepReopened',
  'SessionResumed',
  'SessionCompleted',
  'SessionMigrated',
  'AttributesRecorded',
])
