import type { AnalysisEvent } from '../../src/analysis/columns/analysisEvent.ts'

/**
 * A product's history made by a seeded generator: sessions of 3 to 20 events over half a year, 24 steps of which most sessions walk a few in
 * order, 20 plans. No two events of a session have the same time.
 */
export interface Synthetic {
  readonly session: number
  /** −1 for the session's start, else the step's number */
  readonly step: number
  readonly time: number
  readonly plan: number
}

export const STEPS = 24
export const PLANS = 20
export const START = Date.UTC(2026, 0, 1)
const HALF_YEAR = 182 * 864e5

/** Hands over `count` events in the order of sessions and their times. The object is written over. */
export function generate(count: number, each: (event: Synthetic) => void): number {
  const event = { session: 0, step: -1, time: 0, plan: 0 }
  let state = 42
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4294967296
  }
  let made = 0
  while (made < count) {
    event.plan = Math.floor(random() * random() * PLANS)
    event.time = START + Math.floor(random() * HALF_YEAR)
    event.step = -1
    each(event)
    made += 1
    const length = 2 + Math.floor(random() * 18)
    let next = 0
    for (let i = 0; i < length && made < count; i++) {
      event.step = random() < 0.3 ? next++ % STEPS : Math.floor(random() * STEPS)
      event.time += 1 + Math.floor(random() * random() * 864e5)
      each(event)
      made += 1
    }
    event.session += 1
  }
  return event.session
}

export function asAnalysisEvent({ session, step, time, plan }: Synthetic, row: number): AnalysisEvent {
  const about = { position: String(row + 1), sessionId: `session-${session}`, occurredAt: time, revision: 0 }
  if (step >= 0) return { ...about, type: 'StepCompleted', data: { stepId: `step${step}`, data: {} } }
  return { ...about, type: 'SessionStarted', data: { context: { plan: `plan${plan}` } } }
}
