import { type Ending, HOUR, isActivity, SILENCE } from './ending.ts'
import type { HistoryEvent } from './history.ts'

/**
 * A moment of a session at which a prediction could have been asked for (landmarking: van Houwelingen 2007): the first `seen` events
 * had happened, and it was `at` (ms).
 */
export interface Landmark {
  readonly seen: number
  readonly at: number
}

/** After the 1st, 2nd, 3rd, 5th, 8th, … event; … */
const PLACES = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
/** … and where nothing happened for as long after it, so many hours later. */
const IDLE_HOURS = [1, 6, 24, 72, 144]

/**
 * The landmarks of a session, before its recorded end and up to `asOf`. Which moments they are depends on nothing that comes after them,
 * but that the session was not over yet.
 */
export function landmarksOf(events: readonly HistoryEvent[], ending: Ending, asOf: number): Landmark[] {
  const landmarks: Landmark[] = []
  for (const seen of PLACES) {
    if (seen > ending.through) break
    const { time } = events[seen - 1]!
    const next = Math.min(events[seen]?.time ?? Number.POSITIVE_INFINITY, asOf)
    landmarks.push({ seen, at: time })
    for (const hours of IDLE_HOURS) {
      const at = time + hours * HOUR
      if (at >= next) break
      landmarks.push({ seen, at })
    }
  }
  return landmarks
}

/** Whether a session came to be completed; undefined while it is not known. */
export function completes(ending: Ending): boolean | undefined {
  return ending.how === 'open' ? undefined : ending.how === 'completed'
}

/**
 * Whether a session was abandoned in the seven days after a landmark, or nothing at all happened in them; undefined when they are not
 * over and the session has not ended. A session completed in them was not.
 */
export function abandonsWithin(
  events: readonly HistoryEvent[],
  ending: Ending,
  { seen, at }: Landmark,
  asOf: number,
): boolean | undefined {
  const until = at + SILENCE
  if ((ending.how === 'completed' || ending.how === 'abandoned') && ending.at <= until)
    return events[ending.through]!.type === 'SessionAbandoned'
  if (until > asOf) return undefined
  for (let i = seen; i < events.length && events[i]!.time <= until; i++)
    if (isActivity(events[i]!)) return false
  return true
}
