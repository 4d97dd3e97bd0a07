import type { Position } from '../../domain/position.ts'

/** One event of a session, as the index takes it in. Events come in log order. */
export interface AnalysisEvent {
  readonly position: Position
  readonly sessionId: string
  /** The session's user where known; an event that names none leaves what is known. */
  readonly userId?: string | null
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  /** ISO 8601, or ms since 1970 UTC. */
  readonly occurredAt: string | number
  /** The event's place in the session's stream. */
  readonly revision: number
}
