import { type Evaluation, evaluate } from '../model/evaluation.ts'
import { fitLogistic, type LogisticModel, type TrainingData } from '../model/logistic.ts'
import { predictAll } from '../model/predict.ts'
import { heldOut } from '../model/split.ts'
import { withClusteredCovariance } from './clustered.ts'
import { endingOf } from './ending.ts'
import { type AttributesAt, type FeatureChoice, featureNames, featuresAt } from './features.ts'
import type { History } from './history.ts'
import { abandonsWithin, completes, landmarksOf } from './landmarks.ts'

/** Below this many sessions that were completed or abandoned there is no model. */
export const FEWEST_FINISHED = 200
/** On standardised features: keeps coefficients finite where a feature separates the outcomes. */
const L2 = 1

/** One model and how good it is on sessions that it has not seen. */
export interface FittedModel {
  readonly model: LogisticModel
  /** Sessions whose landmarks it was fitted on. */
  readonly sessions: number
  readonly quality: Evaluation & { readonly sessions: number }
}

export interface TrainedModels {
  readonly finished: number
  readonly choice: FeatureChoice
  readonly completion: FittedModel
  readonly abandon7d: FittedModel
}

export type Training = TrainedModels | { readonly finished: number; readonly unknown: string }

interface Rows {
  readonly values: number[][]
  readonly outcomes: number[]
  /** Rows of one session stand together. */
  readonly session: number[]
}

/**
 * Fits the chance to complete and the risk to abandon within seven days on a flow's sessions. Three in ten are held out, by their ids, and
 * what is said of quality is measured on them alone. Sessions in flight are left out of the first, and of the second where the seven
 * days are not over.
 */
export function trainModels(
  sessions: Iterable<History>,
  finished: number,
  attributesOf: (session: number) => AttributesAt,
  choice: FeatureChoice,
  asOf: number,
): Training {
  if (finished < FEWEST_FINISHED)
    return {
      finished,
      unknown: `${finished} sessions of this flow were completed or abandoned so far; at least ${FEWEST_FINISHED} are needed to learn from`,
    }
  const rows = rowsOf(sessions, attributesOf, choice, asOf)
  const names = featureNames(choice)
  const completion = fitted(names, rows.completion)
  if ('unknown' in completion) return { finished, ...completion }
  const abandon7d = fitted(names, rows.abandon)
  if ('unknown' in abandon7d) return { finished, ...abandon7d }
  return { finished, choice, completion, abandon7d }
}

function rowsOf(
  sessions: Iterable<History>,
  attributesOf: (session: number) => AttributesAt,
  choice: FeatureChoice,
  asOf: number,
) {
  const none = (): Rows => ({ values: [], outcomes: [], session: [] })
  const [seen, unseen] = [
    { completion: none(), abandon: none() },
    { completion: none(), abandon: none() },
  ]
  for (const { session, id, events } of sessions) {
    const into = heldOut(id) ? unseen : seen
    const ending = endingOf(events, asOf)
    const attributesAt = attributesOf(session)
    for (const landmark of landmarksOf(events, ending, asOf)) {
      const completed = completes(ending)
      const abandoned = abandonsWithin(events, ending, landmark, asOf)
      if (completed === undefined && abandoned === undefined) continue
      const values = featuresAt(events.slice(0, landmark.seen), landmark.at, attributesAt, choice)
      if (completed !== undefined) add(into.completion, values, completed, session)
      if (abandoned !== undefined) add(into.abandon, values, abandoned, session)
    }
  }
  return {
    completion: { seen: seen.completion, unseen: unseen.completion },
    abandon: { seen: seen.abandon, unseen: unseen.abandon },
  }
}

function add(rows: Rows, values: number[], outcome: boolean, session: number): void {
  rows.values.push(values)
  rows.outcomes.push(outcome ? 1 : 0)
  rows.session.push(session)
}

function fitted(
  names: readonly string[],
  { seen, unseen }: { readonly seen: Rows; readonly unseen: Rows },
): FittedModel | { readonly unknown: string } {
  // What never changes in training says nothing, and no coefficient could be found for it.
  const kept = names.flatMap((_, i) => (seen.values.some((row) => row[i] !== seen.values[0]![i]) ? [i] : []))
  if (kept.length === 0) return { unknown: 'all sessions of this flow look the same' }
  const columnsOf = ({ values }: Rows) => kept.map((i) => Float64Array.from(values, (row) => row[i]!))
  const data: TrainingData = {
    features: kept.map((i) => names[i]!),
    columns: columnsOf(seen),
    outcomes: seen.outcomes,
  }
  const fit = fitLogistic(data, L2)
  if ('fault' in fit) return { unknown: `no model could be fitted: ${fit.detail}` }
  const quality = evaluate(unseen.outcomes, predictAll(fit, columnsOf(unseen)))
  if (!quality) return { unknown: 'no session is left to measure a model on' }
  return {
    model: withClusteredCovariance(fit, data, seen.session),
    sessions: new Set(seen.session).size,
    quality: { ...quality, sessions: new Set(unseen.session).size },
  }
}
