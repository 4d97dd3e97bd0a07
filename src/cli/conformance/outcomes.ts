import { auc, brier, logLoss } from '../../analysis/model/quality.ts'
import { oddsRatio } from '../../analysis/statistics/oddsRatio.ts'
import { kaplanMeier, logRank, type Observation } from '../../analysis/statistics/survival.ts'
import type { Adapter, Adapters } from './adapter.ts'

/** Pairs of time and 1 (it happened) or 0 (censored). */
const observations = (pairs: readonly (readonly [number, number])[]): Observation[] =>
  pairs.map(([time, event]) => ({ time, event: event === 1 }))

const survival: Adapter = (inputs) => {
  if (inputs.groupA) {
    const { chiSquared, p } = logRank(observations(inputs.groupA), observations(inputs.groupB))
    return { chi2: chiSquared, pValue: p }
  }
  const curve = kaplanMeier(observations(inputs.observations))
  return {
    S: Object.fromEntries(curve.map((point) => [point.t, point.survival])),
    median: curve.find((point) => point.survival <= 0.5)?.t ?? null,
  }
}

const quality: Adapter = (inputs) => {
  const named = Object.keys(inputs).find((key) => key.startsWith('p_'))
  const scores = inputs.p ?? inputs.score ?? (named ? inputs[named] : [])
  const happened = named?.slice(2)
  const outcomes = (inputs.y as unknown[]).map((y) => (y === 1 || y === true || y === happened ? 1 : 0))
  return { auc: auc(outcomes, scores), brier: brier(outcomes, scores), logLoss: logLoss(outcomes, scores) }
}

const drivers: Adapter = (inputs) => {
  const group = inputs.event ?? inputs.property ?? inputs
  const [converted, dropped] = [group.in_converted, group.in_dropped]
  const found = oddsRatio(
    {
      with: { converted, dropped },
      without: { converted: inputs.converted - converted, dropped: inputs.dropped - dropped },
    },
    { prior: inputs.prior ?? 1 },
  )
  return { oddsRatio: found.oddsRatio, ci: found.ci, pValue: found.p }
}

export const outcomeAdapters: Adapters = {
  survival_time_to_convert: survival,
  prediction_quality: quality,
  conversion_drivers: drivers,
}
