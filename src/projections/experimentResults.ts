import type pg from 'pg'
import type { ExperimentState } from '../domain/experiment.ts'
import type { Position } from '../domain/position.ts'
import type { Analysis, AnalysisReply } from './analysis/analysisIndex.ts'
import { createResultTables, type ResultTable } from './analysis/resultTables.ts'
import { countAssigned, weightPeriods } from './experiments.ts'
import { postgresOfIso } from './postgresTime.ts'
import { query } from './query.ts'

/** What `GET /experiments/:key/results` answered, kept for SQL. */
export const experimentResults: ResultTable = {
  name: 'experiment_results',
  description:
    'One row an experiment: its results as they were last computed, which is whenever they are asked for and every ten minutes while ' +
    'it runs. Once it was stopped they stay as they are.',
  columns: {
    tenant: ['text collate "C" not null', 'Tenant.'],
    key: ['text collate "C" not null', 'Key of the experiment.'],
    status: ['text not null', '`draft`, `running` or `stopped`, when they were computed.'],
    position: ['bigint not null', 'The log was seen up to here.'],
    as_of: ['timestamptz not null', 'Nothing later was seen.'],
    results: ['json not null', 'As `GET /experiments/:key/results` answers.'],
    computed_at: ['timestamptz not null default clock_timestamp()', 'When it was written.'],
  },
  key: ['tenant', 'key'],
}

/** Makes the table where it is missing; several nodes may do so at once. */
export const createExperimentResultsTable = (pool: pg.Pool) => createResultTables(pool, [experimentResults])

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
