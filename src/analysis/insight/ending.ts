import type { HistoryEvent } from './history.ts'

export const HOUR = 3_600_000
/** Somebody of whom nothing was heard for this long has left. */
export const SILENCE = 7 * 24 * HOUR

/** What a session did by itself is no sign of life. */
const BOOKKEEPING = new Set(['MilestoneReached', 'ConditionFailed', 'SessionMigrated', 'DifficultyDetected'])
export const isActivity = ({ type }: HistoryEvent): boolean =>
  !BOOKKEEPING.has(type) && type !== 'SessionAbandoned'

/**
 * How a session stands as of a time: `silent` when it has no recorded end and nothing happened in it for seven days. `at` is when it
 * ended, of a silent one when seven days had passed, in ms; `through` is how many events came before the first recorded end.
 */
export type Ending =
  | { readonly how: 'completed' | 'abandoned' | 'silent'; readonly at: number; readonly through: number }
  | { readonly how: 'open'; readonly through: number }

export function endingOf(events: readonly HistoryEvent[], asOf: number): Ending {
  const first = events.findIndex(isEnd)
  if (first >= 0) {
    const last = events.findLast(isEnd)!
    const how = last.type === 'SessionCompleted' ? 'completed' : 'abandoned'
    return { how, at: events[first]!.time, through: first }
  }
  const through = events.length
  const silentAt = lastActivity(events) + SILENCE
  return silentAt <= asOf ? { how: 'silent', at: silentAt, through } : { how: 'open', through }
}

/** When somebody last did something, ms; of a history without any, when it begins. */
export function lastActivity(events: readonly HistoryEvent[]): number {
  return (events.findLast(isActivity) ?? events[0]!).time
}

const isEnd = ({ type }: HistoryEvent) => type === 'SessionCompleted' || type === 'SessionAbandoned'
