import type { Decision } from './decider.ts'
import type { RecordDifficulty } from './sessionCommands.ts'
import type { SessionEvent } from './sessionEvents.ts'
import type { SessionState } from './sessionState.ts'

/** Once a step, and only in a session that goes on: who has left, or whose history was imported, cannot be helped. */
export function recordDifficulty(command: RecordDifficulty, session: SessionState): Decision<SessionEvent> {
  const { stepId, evidence } = command
  if (session.status !== 'active' || session.imported || session.difficulties.has(stepId)) return []
  return [{ type: 'DifficultyDetected', data: { stepId, evidence: evidence.map((one) => ({ ...one })) } }]
}
