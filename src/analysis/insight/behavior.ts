import { envelope, type Outcome } from '../plan/envelope.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { difficultyRule, type Evidence, judge } from './difficulty.ts'
import { endingOf } from './ending.ts'
import { flowSurvey } from './flowSurvey.ts'
import type { History } from './history.ts'
import { histories } from './history.ts'
import { sessionOf } from './insightQuery.ts'
import { type Pause, returnsOf, type StepVisit, stepVisits } from './stepVisits.ts'
import { measured, quantilePosition, type Survey, spread, without } from './survey.ts'

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** What one session did at each step, against the other sessions of its flow, and where it is in difficulty. */
export function sessionBehavior(body: unknown, source: AnalysisSource): Outcome<object> {
  const began = performance.now()
  const asked = sessionOf(body, source)
  if ('faults' in asked) return asked
  const { history, asOf } = asked
  const survey = flowSurvey(source.index, asOf)
  const answer = behaviorOf(history, survey, asOf)
  const about = { query: body, asOf, position: source.index.position, began, warnings: [] }
  const told: object = { sessionId: history.id, ...answer }
  return { answer: { ...told, ...envelope(about) } }
}

/** The same of a history and a survey at hand. */
export function behaviorOf({ events }: Pick<History, 'events'>, survey: Survey, asOf: number) {
  const { steps, pauses } = stepVisits(events)
  const visits = [...steps.values()]
  const judged = visits.map((visit) => ({ stepId: visit.step, ...judge(visit, survey) }))
  const found = judged.filter(({ evidence }) => evidence.length > 0)
  return {
    ended: endingOf(events, asOf).how,
    steps: visits.map((visit) => ({ ...stepAnswer(visit), usual: against(visit, survey) })),
    pauses: pauses.map((pause) => pauseAnswer(pause, asOf)),
    totals: {
      seconds: ((events.at(-1)?.time ?? 0) - (events[0]?.time ?? 0)) / 1000,
      retries: sum(visits, ({ submissions, failures }) => Math.max(0, submissions + failures - 1)),
      failedValidations: sum(visits, ({ failures }) => failures),
      returns: sum(visits, returnsOf),
      pauses: pauses.length,
    },
    difficulty: {
      found: found.length > 0,
      rule: difficultyRule,
      steps: found.map(({ stepId, evidence }) => ({ stepId, evidence })),
      notJudged: judged.flatMap(({ stepId, notJudged }) => notJudged.map((one) => ({ stepId, ...one }))),
    },
  }
}

function stepAnswer(visit: StepVisit) {
  return {
    stepId: visit.step,
    status: visit.status,
    since: iso(visit.since),
    metAt: iso(visit.metAt),
    seconds: measured(visit).seconds,
    pausedSeconds: visit.pausedMs / 1000,
    started: visit.starts,
    saved: visit.saves,
    submitted: visit.submissions,
    retries: Math.max(0, visit.submissions + visit.failures - 1),
    failedValidations: visit.failures,
    fields: [...visit.fields]
      .map(([pointer, count]) => ({ pointer, count }))
      .sort((a, b) => b.count - a.count || (a.pointer < b.pointer ? -1 : 1)),
    reopened: visit.reopened,
    resubmitted: Math.max(0, visit.submissions - 1),
    skipped: visit.skips,
  }
}

/** What is usual at the step among the other sessions that met it, and where this one lies. */
function against(visit: StepVisit, survey: Survey) {
  const values = measured(visit)
  const { seconds, failedValidations } = survey.get(visit.step) ?? { seconds: NONE, failedValidations: NONE }
  const own = visit.metAt !== null
  const times = own ? without(seconds, values.seconds) : seconds
  const failures = own ? without(failedValidations, values.failedValidations) : failedValidations
  const { n, median, p90, p95 } = spread(times)
  return {
    sessions: n,
    medianSeconds: median,
    p90Seconds: p90,
    p95Seconds: p95,
    secondsQuantile: values.seconds === null ? null : quantilePosition(times, values.seconds),
    failedValidationsQuantile: quantilePosition(failures, values.failedValidations!),
  }
}

const NONE = new Float64Array()

function pauseAnswer({ from, to }: Pause, asOf: number) {
  return { from: iso(from), to: iso(to), seconds: ((to ?? Math.max(from, asOf)) - from) / 1000 }
}

const sum = <T>(items: readonly T[], of: (item: T) => number) =>
  items.reduce((total, item) => total + of(item), 0)

/** A session in difficulty at a step. */
export interface Difficulty {
  readonly sessionId: string
  readonly stepId: string
  readonly evidence: readonly Evidence[]
}

/** Every difficulty in sessions that go on and in which something happened since a time (ISO 8601), one for each step. */
export function flowDifficulties(
  body: unknown,
  source: AnalysisSource,
): Outcome<{ readonly difficulties: readonly Difficulty[] }> {
  const began = performance.now()
  const { since } = body as { since: string }
  const from = Date.parse(since)
  const asOf = source.now
  const survey = flowSurvey(source.index, asOf)
  const difficulties: Difficulty[] = []
  for (const { id, events } of histories(source.index, asOf, undefined, from)) {
    if (endingOf(events, asOf).how !== 'open') continue
    for (const [stepId, visit] of stepVisits(events).steps) {
      const { evidence } = judge(visit, survey)
      if (evidence.length > 0) difficulties.push({ sessionId: id, stepId, evidence })
    }
  }
  const about = { query: body, asOf, position: source.index.position, began, warnings: [] }
  return { answer: { difficulties, ...envelope(about) } }
}
