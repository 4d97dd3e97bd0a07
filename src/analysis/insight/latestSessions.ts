import type { ColumnarIndex } from '../columns/columnarIndex.ts'

export interface LatestSessions {
  /** Sessions of the flow up to `asOf`, and how many of them were completed or abandoned. */
  readonly sessions: number
  readonly finished: number
  /** The numbers of those that began last, about as many as asked for; undefined when that is all. */
  readonly only: ReadonlySet<number> | undefined
}

/** Counts a flow's sessions and picks the latest, so that what is made of whole histories stays quick in flows of any size. */
export function latestSessions(index: ColumnarIndex, asOf: number, most: number): LatestSessions {
  const view = index.view('session')
  const ends = ['SessionCompleted', 'SessionAbandoned'].map((name) => index.codes.find('event', name) ?? -1)
  const numbers = new Uint32Array(view.units)
  const began = new Float64Array(view.units)
  let sessions = 0
  let finished = 0
  for (const { unit, start, stale, code, time } of view.runs) {
    for (let slot = 0; slot < unit.length; slot++) {
      const from = start[slot]!
      const to = start[slot + 1]!
      if (stale?.[slot] || from === to || time[from]! > asOf) continue
      numbers[sessions] = unit[slot]!
      began[sessions++] = time[from]!
      for (let i = from; i < to && time[i]! <= asOf; i++) {
        if (code[i] !== ends[0] && code[i] !== ends[1]) continue
        finished += 1
        break
      }
    }
  }
  if (sessions <= most) return { sessions, finished, only: undefined }
  const threshold = began.slice(0, sessions).sort()[sessions - most]!
  const only = new Set<number>()
  for (let i = 0; i < sessions; i++) if (began[i]! >= threshold) only.add(numbers[i]!)
  return { sessions, finished, only }
}
