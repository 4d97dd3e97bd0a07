import type pg from 'pg'
import type { ExperimentState } from '../domain/experiment.ts'
import type { Position } from '../domain/position.ts'
import type { Analysis, AnalysisReply } from './analysis/analysisIndex.ts'
import { countAssigned, weightPeriods } from './experiments.ts'
import { postgresOfIso } from './postgresTime.ts'
import { query } from './query.ts'

/**
 * `read.experiment_results`, one row an experiment: its results as they were last computed. They are computed anew whenever they are asked
 * for and by the schedule of bandits.ts, and stay as they are once the experiment was stopped.
 */
const TABLE = `
create schema if not exists read;
create table if not exists read.experiment_results (
  tenant text collate "C" not null,
  key text collate "C" not null,
  status text not null,
  position bigint not null,
  as_of timestamptz not null,
  results json not null,
  computed_at timestamptz not null default clock_timestamp(),
  primary key (tenant, key))`
const LOCK = 7_114_020_772

/** Makes the table where it is missing; several nodes may do so at once. */
export async function createExperimentResultsTable(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(${LOCK})`)
    await client.query(TABLE)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

/** Results as `GET /experiments/:key/results` answers them. */
export interface Results {
  readonly status: ExperimentState['status']
  readonly asOf: string
  readonly asOfPosition: Position
  readonly nextWeights?: readonly number[]
  readonly [field: string]: unknown
}

export type ComputedResults =
  | { readonly is: 'results'; readonly results: Results }
  | Exclude<AnalysisReply, { is: 'answer' }>

/** Computes results from the index and keeps them. `asOf` is ms since 1970 UTC. */
export async function computeResults(
  { pool, analysis }: { readonly pool: pg.Pool; readonly analysis: Analysis },
  tenant: string,
  experiment: ExperimentState,
  asked: { readonly asOf: number; readonly after?: Position; readonly keep?: boolean },
): Promise<ComputedResults> {
  const definition = experiment.definition!
  const { key } = definition
  const asOf = new Date(asked.asOf).toISOString()
  const assigned = await countAssigned(pool, tenant, key, postgresOfIso(asOf))
  const bandit = definition.mode === 'bandit' ? await weightPeriods(pool, tenant, key) : undefined
  // Before anybody was assigned, a bandit has the weights that it was defined with.
  const periods =
    bandit && bandit.weights.length === 0 ? { ...bandit, weights: [experiment.weights] } : bandit
  const question = { definition, assigned, asOf: asked.asOf, ...(periods && { periods }) }
  const reply = await analysis.experiment(tenant, question, asked.after)
  if (reply.is !== 'answer') return reply
  const results = {
    key,
    status: experiment.status,
    ...(experiment.startedAt !== undefined && { startedAt: experiment.startedAt }),
    ...JSON.parse(reply.json),
    weights: experiment.weights,
  } as Results
  if (asked.keep !== false) await keepResults(pool, tenant, key, results)
  return { is: 'results', results }
}

/** What is older than what is kept stays out, and nothing replaces what a stop froze. */
export async function keepResults(
  pool: pg.Pool,
  tenant: string,
  key: string,
  results: Results,
): Promise<void> {
  await query(
    pool,
    `insert into read.experiment_results as kept (tenant, key, status, position, as_of, results)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant, key) do update
       set status = excluded.status, position = excluded.position, as_of = excluded.as_of,
           results = excluded.results, computed_at = clock_timestamp()
       where kept.status <> 'stopped' and kept.position <= excluded.position`,
    [tenant, key, results.status, results.asOfPosition, postgresOfIso(results.asOf), JSON.stringify(results)],
  )
}
