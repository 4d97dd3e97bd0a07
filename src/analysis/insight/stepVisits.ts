import { lastActivity } from './ending.ts'
import type { HistoryEvent } from './history.ts'

/** What one session did at one step. Times are ms. */
export interface StepVisit {
  readonly step: string
  status: 'open' | 'completed' | 'skipped'
  /** From its first start, or else from when the session last moved on; null where that is not known. */
  since: number | null
  /** When it was first completed or skipped. */
  metAt: number | null
  /**
   * From `since` to the first completion, less pauses; of a step still open to the session's last activity: somebody who is gone is
   * not struggling. Null where it was skipped, and where it is not known.
   */
  took: number | null
  starts: number
  saves: number
  submissions: number
  failures: number
  readonly fields: Map<string, number>
  reopened: number
  skips: number
  pausedMs: number
}

export interface Pause {
  readonly from: number
  /** Null while it lasts. */
  to: number | null
}

export interface Visits {
  /** In the order in which they were met. */
  readonly steps: ReadonlyMap<string, StepVisit>
  readonly pauses: readonly Pause[]
}

/** What a session did at its steps. A step that was never started begins when the session last moved on, as in statistics. */
export function stepVisits(events: readonly HistoryEvent[]): Visits {
  const steps = new Map<string, StepVisit>()
  const pauses: Pause[] = []
  let moved: number | null = null
  for (const { type, step, pointers, time } of events) {
    if (step !== null && STEP_TYPES.has(type)) {
      const visit = steps.get(step) ?? untouched(step)
      steps.set(step, visit)
      visitBy(visit, type, pointers, time, moved)
    }
    if (type === 'SessionPaused' && !resting(pauses)) pauses.push({ from: time, to: null })
    if (type === 'SessionResumed' && resting(pauses)) pauses.at(-1)!.to = time
    if (MOVES.has(type)) moved = time
  }
  const last = events.length > 0 ? lastActivity(events) : 0
  for (const visit of steps.values()) {
    const { since, metAt } = visit
    const until = metAt ?? last
    if (since === null) continue
    visit.pausedMs = overlap(pauses, since, until)
    if (visit.submissions > 0 || visit.status === 'open')
      visit.took = Math.max(0, until - since - visit.pausedMs)
  }
  return { steps, pauses }
}

/** How often somebody came back to a step that was done. */
export const returnsOf = ({ reopened, submissions }: StepVisit): number => Math.max(reopened, submissions - 1)

const STEP_TYPES = new Set([
  'StepStarted',
  'StepSaved',
  'StepCompleted',
  'StepValidationFailed',
  'StepSkipped',
  'StepReopened',
])
const MOVES = new Set(['SessionStarted', 'StepCompleted', 'StepSkipped', 'SessionResumed'])

const resting = (pauses: readonly Pause[]) => pauses.length > 0 && pauses.at(-1)!.to === null

function untouched(step: string): StepVisit {
  const counts = { starts: 0, saves: 0, submissions: 0, failures: 0, reopened: 0, skips: 0, pausedMs: 0 }
  return { step, status: 'open', since: null, metAt: null, took: null, fields: new Map(), ...counts }
}

function visitBy(
  visit: StepVisit,
  type: string,
  pointers: readonly string[],
  time: number,
  moved: number | null,
): void {
  switch (type) {
    case 'StepStarted':
      visit.starts += 1
      if (visit.starts === 1 && visit.metAt === null) visit.since = time
      return
    case 'StepSaved':
      visit.saves += 1
      visit.since ??= moved
      return
    case 'StepValidationFailed':
      visit.failures += 1
      visit.since ??= moved
      for (const pointer of pointers) visit.fields.set(pointer, (visit.fields.get(pointer) ?? 0) + 1)
      return
    case 'StepReopened':
      visit.reopened += 1
      visit.status = 'open'
      return
    case 'StepSkipped':
      visit.skips += 1
      visit.status = 'skipped'
      visit.metAt ??= time
      return
    case 'StepCompleted':
      visit.submissions += 1
      visit.status = 'completed'
      // Begun and done in one moment is an import's first line: what it took is not known.
      if (moved !== time) visit.since ??= moved
      visit.metAt ??= time
  }
}

/** How much of a stretch was paused. */
function overlap(pauses: readonly Pause[], from: number, until: number): number {
  return pauses.reduce(
    (sum, pause) => sum + Math.max(0, Math.min(until, pause.to ?? until) - Math.max(from, pause.from)),
    0,
  )
}
