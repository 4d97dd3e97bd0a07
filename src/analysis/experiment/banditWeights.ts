import { chanceToBeBest, withFloor } from '../statistics/bandit.ts'
import type { Moments } from '../statistics/moments.ts'
import { betaPosterior, normalPosterior, type Posterior } from '../statistics/posterior.ts'
import type { Sample } from '../statistics/sample.ts'
import { stratifiedSamples } from './periods.ts'
import type { MetricSpec } from './spec.ts'

/**
 * The next weights of a bandit: each arm's chance to be best (Thompson sampling by quadrature), with a floor so that every
 * arm goes on being tried. Over several weight periods the arms are compared as the results compare them, so that a
 * drift over time does not feed itself. Equal weights until every arm can be judged.
 */
export function banditWeights(
  metric: Pick<MetricSpec, 'type' | 'direction'>,
  periods: readonly (readonly Moments[])[],
  floor = 0.01,
): number[] {
  const samples = stratifiedSamples(periods, metric.type)
  const posteriors = samples.map((sample) => posteriorOf(sample, metric.type === 'conversion'))
  if (!posteriors.every((posterior) => posterior !== undefined)) return samples.map(() => 1 / samples.length)
  return withFloor(chanceToBeBest(posteriors, metric.direction === 'increase' ? 'highest' : 'lowest'), floor)
}

function posteriorOf({ n, mean, variance }: Sample, conversion: boolean): Posterior | undefined {
  if (conversion) {
    if (n === 0) return betaPosterior(1, 1)
    // The units that would give this sampling variance: fewer than n where periods were put together.
    const units = variance > 0 ? Math.min(n, (n * mean * (1 - mean)) / variance) : n
    return betaPosterior(1 + mean * units, 1 + (1 - mean) * units)
  }
  return variance > 0 && n > 1 ? normalPosterior(mean, Math.sqrt(variance / n)) : undefined
}
