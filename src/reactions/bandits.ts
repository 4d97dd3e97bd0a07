import type pg from 'pg'
import { type Experiments, experimentAggregate, type RunningExperiment } from '../commands/experiments.ts'
import type { Handle } from '../commands/handle.ts'
import { systemContext } from '../commands/systemContext.ts'
import { derivedId } from '../domain/ids.ts'
import type { Analysis } from '../projections/analysis/analysisIndex.ts'
import { computeResults } from '../projections/experimentResults.ts'
import { type LeasedSchedule, startLeasedSchedule } from './leasedSchedule.ts'

export interface BanditsOptions {
  readonly pool: pg.Pool
  readonly handle: Handle
  readonly experiments: Pick<Experiments, 'running'>
  readonly analysis: Analysis
  readonly now: () => Date
  readonly onError: (error: unknown) => void
  /** Milliseconds between two looks; ten minutes unless told. */
  readonly everyMs?: number
}

const LEASE = 'bandits'

/**
 * Gives running bandits the weights that their results call for, by a command like any other, and keeps the results of every running
 * experiment current in `read.experiment_results`. One node at a time looks.
 */
export function startBandits(options: BanditsOptions): LeasedSchedule {
  const { pool, experiments, onError, everyMs = 600_000 } = options
  return startLeasedSchedule({
    pool,
    name: LEASE,
    everyMs,
    onError,
    async work(mine) {
      let changed = 0
      for (const experiment of experiments.running()) {
        if (!(await mine())) break
        if (await refresh(options, experiment)) changed += 1
      }
      return changed
    },
  })
}

/** Whether a bandit got other weights. */
async function refresh(options: BanditsOptions, experiment: RunningExperiment): Promise<boolean> {
  const { handle, now } = options
  const { tenant, definition } = experiment
  const at = now()
  const computed = await computeResults(options, tenant, experiment, { asOf: at.getTime() })
  if (computed.is !== 'results') return false
  const { nextWeights, exposed, asOfPosition } = computed.results
  if (!nextWeights || exposed === 0) return false
  const outcome = await handle(
    experimentAggregate,
    definition.key,
    systemContext(tenant, derivedId('bandit', tenant, definition.key, asOfPosition), at.toISOString()),
    () => ({ type: 'ReweightExperiment' as const, weights: rounded(nextWeights) }),
  )
  return outcome.kind === 'accepted' && outcome.events.length > 0
}

/** To six decimals, which any assignment falls short of, so that noise in the last bits is no new period. */
function rounded(weights: readonly number[]): number[] {
  const parts = weights.map((weight) => Math.round(weight * 1e6))
  const largest = parts.indexOf(Math.max(...parts))
  parts[largest]! += 1e6 - parts.reduce((sum, part) => sum + part, 0)
  return parts.map((part) => part / 1e6)
}
