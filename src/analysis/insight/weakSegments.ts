import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import type { Interval } from '../statistics/interval.ts'
import { adjustP } from '../statistics/multipleTesting.ts'
import { oddsRatio } from '../statistics/oddsRatio.ts'
import { wilson } from '../statistics/twoProportions.ts'
import type { Journey, ReadyQuery } from './stepOpportunities.ts'

/** Sessions with an attribute's value that are completed less often than the others. */
export interface WeakSegment {
  readonly attribute: string
  readonly value: unknown
  readonly sessions: number
  readonly completed: number
  readonly completionRate: number
  readonly ci: Interval
  /** Of all other ended sessions. */
  readonly otherRate: number
  readonly oddsRatio: number
  readonly oddsRatioCi: Interval
  readonly p: number
  /** p after Benjamini & Hochberg over every value that was looked at. */
  readonly q: number
  /** Completions there would be more at the others' rate. */
  readonly completionsToWin: number
  readonly query: ReadyQuery
}

/** The share of what is shown that chance may have made. */
const MOST_Q = 0.05
const MOST_VALUES = 50
const FEWEST_SESSIONS = 10
const MOST = 20

/** Values of attributes as last known whose ended sessions do worse than chance would let them, by the completions they cost. */
export function weakSegments(
  ended: readonly Journey[],
  index: ColumnarIndex,
  flowId: string,
  asOf: number,
  warn: (warning: string) => void,
): WeakSegment[] {
  const all = ended.length
  const allCompleted = ended.filter(({ how }) => how === 'completed').length
  const candidates = [...index.attributes].flatMap(([attribute, column]) => {
    const known = column.lastKnown(asOf, index.sessions.size)
    const tally = new Map<number, { sessions: number; completed: number }>()
    for (const { session, how } of ended) {
      const code = known[session] ?? MISSING
      const cell = tally.get(code) ?? { sessions: 0, completed: 0 }
      tally.set(code, cell)
      cell.sessions += 1
      if (how === 'completed') cell.completed += 1
    }
    if (tally.size > MOST_VALUES)
      warn(`${attribute} has ${tally.size} values; the ${MOST_VALUES} most frequent were compared`)
    return [...tally]
      .sort(([, a], [, b]) => b.sessions - a.sessions)
      .slice(0, MOST_VALUES)
      .filter(([, { sessions }]) => sessions >= FEWEST_SESSIONS && all - sessions >= FEWEST_SESSIONS)
      .map(([code, cell]) => ({ attribute, value: column.dictionary.value(code), ...cell }))
  })
  const tested = candidates.map((candidate) => {
    const others = all - candidate.sessions
    const othersCompleted = allCompleted - candidate.completed
    const cells = {
      with: { converted: candidate.completed, dropped: candidate.sessions - candidate.completed },
      without: { converted: othersCompleted, dropped: others - othersCompleted },
    }
    const { ci, ...odds } = oddsRatio(cells)
    return { ...candidate, ...odds, oddsRatioCi: ci, otherRate: othersCompleted / others }
  })
  const q = adjustP(
    tested.map(({ p }) => p),
    'bh',
  )
  return tested
    .map(({ attribute, value, sessions, completed, ...rest }, i) => ({
      attribute,
      value,
      sessions,
      completed,
      completionRate: completed / sessions,
      ci: wilson({ x: completed, n: sessions }),
      ...rest,
      q: q[i]!,
      completionsToWin: rest.otherRate * sessions - completed,
      query: queryOf(flowId, attribute),
    }))
    .filter((segment) => segment.completionRate < segment.otherRate && segment.q <= MOST_Q)
    .sort((a, b) => b.completionsToWin - a.completionsToWin)
    .slice(0, MOST)
}

function queryOf(flowId: string, attribute: string): ReadyQuery {
  const steps = [{ event: 'SessionStarted' }, { event: 'SessionCompleted' }]
  return {
    path: '/analytics/funnels/query',
    body: { flowId, steps, breakdown: { attribute }, unit: 'session' },
  }
}
