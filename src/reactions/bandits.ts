import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { type Experiments, experimentAggregate, type RunningExperiment } from '../commands/experiments.ts'
import type { CommandContext, Handle } from '../commands/handle.ts'
import { derivedId } from '../domain/ids.ts'
import type { Analysis } from '../projections/analysis/analysisIndex.ts'
import { computeResults } from '../projections/experimentResults.ts'
import { releaseLease, takeLease } from '../projections/lease.ts'

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

export interface Bandits {
  /** One look now. Answers how many bandits got other weights; none where another node has the turn. */
  look(): Promise<number>
  stop(): Promise<void>
}

const LEASE = 'bandits'

/**
 * Gives running bandits the weights that their results call for, by a command like any other, and keeps the results of every running
 * experiment current in `read.experiment_results`. One node at a time looks.
 */
export function startBandits(options: BanditsOptions): Bandits {
  const { pool, experiments, onError, everyMs = 600_000 } = options
  const holder = randomUUID()
  let stopped = false
  let looking: Promise<number> = Promise.resolve(0)

  const look = async (): Promise<number> => {
    let changed = 0
    for (const experiment of experiments.running()) {
      if (stopped || !(await hasTurn())) break
      if (await refresh(options, experiment)) changed += 1
    }
    await letGo()
    return changed
  }
  const withClient = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    try {
      return await work(client)
    } finally {
      client.release()
    }
  }
  /** The lease runs out in seconds: it is taken for each experiment anew. */
  const hasTurn = async () => (await withClient((client) => takeLease(client, LEASE, holder))) !== undefined
  const letGo = () =>
    withClient(async (client) => {
      const lease = await takeLease(client, LEASE, holder)
      if (lease) await releaseLease(client, lease)
    })
  const next = () => {
    looking = looking
      .catch(() => 0)
      .then(() => (stopped ? 0 : look()))
      .catch((error) => {
        onError(error)
        return 0
      })
    return looking
  }
  const timer = setInterval(next, everyMs)
  timer.unref()

  return {
    look: next,
    async stop() {
      stopped = true
      clearInterval(timer)
      await looking
    },
  }
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
    contextOf(tenant, derivedId('bandit', tenant, definition.key, asOfPosition), at.toISOString()),
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

function contextOf(tenant: string, commandId: string, occurredAt: string): CommandContext {
  return {
    tenant,
    actor: { id: 'gangway', role: 'system' },
    commandId,
    commandHash: '0'.repeat(64),
    correlationId: commandId,
    keyed: false,
    occurredAt,
  }
}
