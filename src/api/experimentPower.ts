import type { Static } from 'typebox'
import { type PowerAnswer, powerPlan } from '../analysis/experiment/powerPlan.ts'
import type { MetricResult } from '../analysis/experiment/results.ts'
import type { ExperimentState } from '../domain/experiment.ts'
import type { Results } from '../projections/experimentResults.ts'
import type { powerBody } from './experimentSchemas.ts'
import { inputFaults } from './problem.ts'

type Question = Static<typeof powerBody>

/** @throws ProblemError 422 where too little is given to plan by */
export function planPower({ experiment: _, metric: __, lift, ...given }: Question): PowerAnswer {
  const { mean, variance } = given
  const faults = [
    ...(mean === undefined ? [{ pointer: '/mean', detail: 'is missing: no experiment tells it' }] : []),
    ...(mean !== undefined && variance === undefined && mean >= 1
      ? [{ pointer: '/variance', detail: 'is needed, as a mean of 1 or more is no rate' }]
      : []),
    ...(lift === 0 ? [{ pointer: '/lift', detail: 'must not be 0' }] : []),
  ]
  if (faults.length > 0) throw inputFaults(faults)
  return powerPlan({ ...given, mean: mean!, ...(lift !== undefined && { lift: Math.abs(lift) }) })
}

/** What a question may leave out, as an experiment has measured it so far. @throws ProblemError 422 for an unknown metric */
export function measured(results: Results, { definition }: ExperimentState, key?: string): Question {
  const metrics = results.metrics as readonly MetricResult[]
  const metric =
    key === undefined
      ? (metrics.find(({ role }) => role === 'primary') ?? metrics[0])
      : metrics.find((metric) => metric.key === key)
  if (!metric) throw inputFaults([{ pointer: '/metric', detail: `the experiment has no metric ${key}` }])
  const { variants, alpha = 0.05, sequential = true, metrics: defined } = definition!
  const { mean, stddev } = metric.variants[0]!
  const mde = defined.find((metric) => metric.key === key)?.mde
  const rate = results.unitsPerDay as number | undefined
  return {
    ...(mean !== null && mean > 0 && { mean }),
    ...(stddev !== null && stddev > 0 && { variance: stddev ** 2 }),
    ...(mde !== undefined && { lift: mde }),
    arms: variants.length,
    alpha,
    sequential,
    units: Number(results.exposed),
    ...(rate && { unitsPerDay: rate }),
  }
}
