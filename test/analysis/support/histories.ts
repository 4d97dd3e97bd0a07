import type { AnalysisEvent } from '../../../src/analysis/columns/analysisEvent.ts'
import { ColumnarIndex } from '../../../src/analysis/columns/columnarIndex.ts'
import type { AnalysisSource } from '../../../src/analysis/plan/source.ts'
import { seeded } from '../../support/seeded.ts'

/** One event as tests write it down: `step:x`, `signal` or `!EventType`. */
export interface Happened {
  readonly session: string
  readonly user?: string
  /** ms */
  readonly at: number
  readonly what: string
  readonly properties?: Readonly<Record<string, unknown>>
}

export function analysisEvent(
  { session, user, at, what, properties = {} }: Happened,
  row: number,
): AnalysisEvent {
  const about = {
    position: String(row + 1),
    sessionId: session,
    userId: user ?? null,
    occurredAt: at,
    revision: row,
  }
  if (what.startsWith('step:')) {
    return { ...about, type: 'StepCompleted', data: { stepId: what.slice(5), data: properties } }
  }
  if (what.startsWith('!')) return { ...about, type: what.slice(1), data: properties }
  return { ...about, type: 'SignalTracked', data: { signal: what, properties } }
}

/** A source of queries over these events, taken in as listed. */
export function sourceOf(events: readonly Happened[], about: Partial<AnalysisSource> = {}): AnalysisSource {
  const index = new ColumnarIndex()
  for (const [row, event] of events.entries()) index.append(analysisEvent(event, row))
  return { index, steps: [], segments: new Map(), now: Date.UTC(2030, 0, 1), ...about }
}

/** Chance that can be repeated. */
export function random(seed: number) {
  const next = seeded(seed)
  const below = (n: number) => Math.floor(next() * n)
  return {
    next,
    below,
    chance: (p: number) => next() < p,
    pick: <T>(list: readonly T[]): T => list[below(list.length)]!,
  }
}

export type Random = ReturnType<typeof random>

/** Some sessions' events, in the order in which they were recorded, which is not that of their times. */
export function randomHistories(
  { below, chance, pick }: Random,
  { sessions, whats, span }: { sessions: number; whats: readonly string[]; span: number },
): Happened[] {
  const events: Happened[] = []
  for (let s = 0; s < sessions; s++) {
    const user = chance(0.6) ? { user: `u${below(sessions)}` } : {}
    const count = 1 + below(6)
    for (let i = 0; i < count; i++) {
      const properties = chance(0.5) ? { p: below(2) } : {}
      events.push({ session: `s${s}`, ...user, at: below(span), what: pick(whats), properties })
    }
  }
  for (let i = events.length - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[events[i], events[j]] = [events[j]!, events[i]!]
  }
  return events
}

/** The histories by unit: each unit's events by time, then as recorded. */
export function byUnit(events: readonly Happened[], unit: 'session' | 'user'): Map<string, Happened[]> {
  const units = Map.groupBy(events, ({ session, user }) =>
    unit === 'user' && user ? `u:${user}` : `s:${session}`,
  )
  for (const list of units.values()) list.sort((a, b) => a.at - b.at)
  return units
}
