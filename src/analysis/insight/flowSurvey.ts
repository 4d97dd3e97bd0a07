import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import { histories } from './history.ts'
import { latestSessions } from './latestSessions.ts'
import { type Survey, surveyOf } from './survey.ts'

interface Kept {
  readonly survey: Survey
  readonly events: number
  readonly at: number
}

const kept = new WeakMap<ColumnarIndex, Kept>()

/**
 * The survey of a flow as of a time, over the sessions that began last, 20,000 at most. It is kept: in a flow of many events what is usual is not taken anew for each of them, but once
 * `staleMs` have passed.
 */
export function flowSurvey(index: ColumnarIndex, asOf: number, staleMs = 60_000): Survey {
  const now = performance.now()
  const known = kept.get(index)
  const whole = asOf >= index.newest
  if (known && whole && known.events === index.events) return known.survey
  if (known && whole && index.events > MANY && now - known.at < staleMs) return known.survey
  const { only } = latestSessions(index, asOf, MOST_SESSIONS)
  const survey = surveyOf(histories(index, asOf, only))
  if (whole) kept.set(index, { survey, events: index.events, at: now })
  return survey
}

const MOST_SESSIONS = 20_000
const MANY = 200_000
