import { type Prediction, predict } from '../model/predict.ts'
import { envelope, type Outcome } from '../plan/envelope.ts'
import { Faults } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { attributeReader } from './attributesAt.ts'
import { chooseFeatures } from './choice.ts'
import { endingOf, HOUR, lastActivity } from './ending.ts'
import { featureNames, featuresAt } from './features.ts'
import { histories } from './history.ts'
import { asOfOf, sessionOf } from './insightQuery.ts'
import { latestSessions } from './latestSessions.ts'
import { type FittedModel, type TrainedModels, type Training, trainModels } from './training.ts'

/** Of more sessions than this the latest are learnt from. */
const MOST_SESSIONS = 5_000

/** Trains on the flow's sessions, as far as they are known `asOf`. */
export function trainOnFlow(body: unknown, source: AnalysisSource): Outcome<{ readonly training: Training }> {
  const began = performance.now()
  const faults = new Faults()
  const asOf = asOfOf(body, source, faults)
  if (faults.list.length > 0) return { faults: faults.list }
  const { index } = source
  const choice = chooseFeatures(index)
  const attributes = attributeReader(index, new Set(choice.attributes.map(({ attribute }) => attribute)))
  const { only, finished } = latestSessions(index, asOf, MOST_SESSIONS)
  const training = trainModels(histories(index, asOf, only), finished, attributes, choice, asOf)
  const about = { query: body, asOf, position: index.position, began, warnings: [] }
  return { answer: { training, ...envelope(about) } }
}

type Model = Pick<TrainedModels, 'choice'> & {
  readonly [M in 'completion' | 'abandon7d']: Pick<FittedModel, 'model'>
}

/** What a model says of one session, from what has happened in it. A session that has ended is no longer predicted: it is known. */
export function predictSession(body: unknown, source: AnalysisSource): Outcome<object> {
  const began = performance.now()
  const { model, ...query } = body as { readonly model: Model }
  const asked = sessionOf(query, source)
  if ('faults' in asked) return asked
  const { history, asOf } = asked
  const { events, session } = history
  const { how } = endingOf(events, asOf)
  const warnings: string[] = []
  const told = (answer: object) => ({
    answer: { ...answer, ...envelope({ query, asOf, position: source.index.position, began, warnings }) },
  })
  if (how === 'completed' || how === 'abandoned') {
    const certain = (p: number) => ({ p, ci: [p, p] })
    warnings.push(`the session is ${how}: nothing is left to predict`)
    const [completion, abandon7d] = how === 'completed' ? [1, 0] : [0, 1]
    return told({
      completion: certain(completion),
      abandon7d: certain(abandon7d),
      factors: [],
      ended: how,
    })
  }
  if (asOf - lastActivity(events) > 168 * HOUR)
    warnings.push('nothing happened in this session for more than seven days: it is likely to be over')
  const { choice } = model
  const keys = new Set(choice.attributes.map(({ attribute }) => attribute))
  const values = featuresAt(events, asOf, attributeReader(source.index, keys, session)(session), choice)
  const named = new Map(featureNames(choice).map((name, i) => [name, values[i]!]))
  const asked7d = chance(model.abandon7d, named)
  const completion = chance(model.completion, named)
  return told({
    completion: { p: completion.p, ci: completion.ci },
    abandon7d: { p: asked7d.p, ci: asked7d.ci },
    factors: factorsOf(completion, named),
    abandonFactors: factorsOf(asked7d, named),
  })
}

const chance = ({ model }: Pick<FittedModel, 'model'>, named: ReadonlyMap<string, number>) =>
  predict(
    model,
    model.features.map((feature) => named.get(feature) ?? 0),
  )

/** To the log-odds, against the average of training; largest first. */
const factorsOf = ({ factors }: Prediction, named: ReadonlyMap<string, number>) =>
  factors.map(({ feature, contribution }) => ({ feature, contribution, value: named.get(feature) ?? 0 }))
