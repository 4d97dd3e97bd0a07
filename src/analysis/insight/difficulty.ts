import type { StepVisit } from './stepVisits.ts'
import { type Measure, measured, measures, quantilePosition, type Survey, spread, without } from './survey.ts'

/** Below this many other sessions that met the step, nothing is called unusual. */
export const FEWEST = 20
/** A time must also be this many times the median: where all take about as long, the slowest are not in difficulty. */
const TIMES_MEDIAN = 1.5
/** And so many seconds more: where all is done in a moment, two moments are no difficulty either. */
const SECONDS_MORE = 60
/** Failing or coming back once is no difficulty, however rare it is. */
const FEWEST_EVENTS = 2

export const difficultyRule =
  `A session is in difficulty at a step when, against at least ${FEWEST} other sessions of the flow that met the step, ` +
  `its time there (pauses taken off; of a step still open, to the last activity) is above the 95th percentile and at least ` +
  `${TIMES_MEDIAN} times the median and ${SECONDS_MORE} seconds more than it, or its failed validations or its returns are above the 95th percentile and at least ${FEWEST_EVENTS}.`

/** Why a session is thought to be in difficulty at a step. */
export interface Evidence {
  readonly measure: Measure
  readonly value: number
  /** What must be passed: the 95th percentile of the others. */
  readonly limit: number
  /** Where the value lies among the others, from 0 to 1. */
  readonly quantile: number
  /** How many others there are. */
  readonly comparedWith: number
}

export interface Judged {
  readonly evidence: readonly Evidence[]
  /** Why a measure was not judged. */
  readonly notJudged: readonly { readonly measure: Measure; readonly reason: string }[]
}

/** Judges one session's visit of a step against the other sessions of the flow. */
export function judge(visit: StepVisit, survey: Survey): Judged {
  const evidence: Evidence[] = []
  const notJudged: { measure: Measure; reason: string }[] = []
  const values = measured(visit)
  for (const measure of measures) {
    const value = values[measure]
    if (value === null) continue
    const all = survey.get(visit.step)?.[measure] ?? new Float64Array()
    const others = visit.metAt === null ? all : without(all, value)
    if (others.length < FEWEST) {
      const reason = `${others.length} other sessions met this step; at least ${FEWEST} are needed to compare`
      notJudged.push({ measure, reason })
      continue
    }
    const { median, p95 } = spread(others)
    const least =
      measure === 'seconds' ? Math.max(TIMES_MEDIAN * median!, median! + SECONDS_MORE) : FEWEST_EVENTS
    if (value <= p95! || value < least) continue
    const quantile = quantilePosition(others, value)!
    evidence.push({ measure, value, limit: p95!, quantile, comparedWith: others.length })
  }
  return { evidence, notJudged }
}
