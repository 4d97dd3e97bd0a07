import { SUB_BUCKETS } from './durationBuckets.ts'
import { type Queryable, query } from './query.ts'
import type { FlowStatistics, StepStatistics } from './statistics.ts'

/** The figures of one flow as they stand in the tables, all of one moment. */
export interface FlowFigures {
  readonly counts: FlowStatistics['counts']
  /** Seconds. */
  readonly median: number | null
  /** By id. */
  readonly steps: readonly StepStatistics[]
  /** The steps of the latest version, as listed. */
  readonly listed: readonly string[]
}

/** Null when there is neither such a flow nor a session of it. */
export async function readFlowFigures(
  db: Queryable,
  tenant: string,
  flowId: string,
): Promise<FlowFigures | null> {
  const [found] = await query<Found>(db, FIGURES, [tenant, flowId], 'flow figures')
  const { listed, counts, steps, bounds } = found!
  if (!listed && !counts) return null
  const seconds = new Map<string, number>()
  for (const { q, step_id, weight, milliseconds } of bounds ?? []) {
    const name = `${q} ${step_id}`
    seconds.set(name, (seconds.get(name) ?? 0) + (weight * milliseconds) / 1000)
  }
  return {
    counts: counts ?? { active: 0, paused: 0, completed: 0, abandoned: 0 },
    median: seconds.get(`0.5 ${null}`) ?? null,
    steps: (steps ?? []).map((step) => ({
      stepId: step.step_id,
      started: step.started,
      submitted: step.submitted,
      failedValidations: step.failed_validations,
      skipped: step.skipped,
      medianSeconds: seconds.get(`0.5 ${step.step_id}`) ?? null,
      p90Seconds: seconds.get(`0.9 ${step.step_id}`) ?? null,
    })),
    listed: listed ?? [],
  }
}

interface Found {
  readonly listed: string[] | null
  readonly counts: FlowStatistics['counts'] | null
  readonly steps:
    | {
        readonly step_id: string
        readonly started: number
        readonly submitted: number
        readonly failed_validations: number
        readonly skipped: number
      }[]
    | null
  readonly bounds: Bound[] | null
}

/** One of the two values that a quantile lies between. */
interface Bound {
  /** Null for the whole session. */
  readonly step_id: string | null
  readonly q: number
  /** How much it counts for. */
  readonly weight: number
  readonly milliseconds: number
}

/** As bucketStart of durationBuckets.ts. */
const start = (bucket: string) =>
  `case when ${bucket} < ${SUB_BUCKETS} then ${bucket}
        else (${bucket} % ${SUB_BUCKETS} + ${SUB_BUCKETS})::bigint << (${bucket} / ${SUB_BUCKETS} - 1) end`

/** The durations of a bucket, out of the index. */
const durations = (table: string, where: string) => `
  select s.duration_ms from ${table} s
   where s.tenant = $1 and s.flow_id = $2 and ${where}
     and s.duration_ms >= ${start('b.bucket')} and s.duration_ms < ${start('(b.bucket + 1)')}
   order by s.duration_ms offset b.skip limit 1`

/**
 * One statement sees one moment: the sums and the values they lead to agree. A quantile q of n values lies at q × (n − 1), counted from 0:
 * running totals say in which bucket, and the nth value of that bucket is looked up.
 */
const FIGURES = `
with times as (
  select step_id, bucket, sessions::int from read.step_times where tenant = $1 and flow_id = $2
  union all
  select null, bucket, sessions::int from read.flow_times where tenant = $1 and flow_id = $2
), running as (
  select step_id, bucket, sessions,
         sum(sessions) over (partition by step_id order by bucket) - sessions as before,
         sum(sessions) over (partition by step_id) as total
    from times
), bounds as (
  select r.step_id, r.bucket, wanted.q, bound.weight, (bound.nth - r.before)::bigint as skip
    from running r,
         (values (0.5::float8), (0.9::float8)) as wanted(q),
         lateral (select wanted.q * (r.total - 1) as at offset 0) p,
         lateral (values (floor(p.at), 1 - (p.at - floor(p.at))), (floor(p.at) + 1, p.at - floor(p.at))) as bound(nth, weight)
   where bound.weight > 0 and bound.nth >= r.before and bound.nth < r.before + r.sessions
)
select (select steps from read.flows where tenant = $1 and flow_id = $2) as listed,
       (select row_to_json(f) from (
          select active, paused, completed, abandoned from read.flow_statistics where tenant = $1 and flow_id = $2
        ) f) as counts,
       (select json_agg(s order by s.step_id) from (
          select step_id, started, submitted, failed_validations, skipped from read.step_statistics
           where tenant = $1 and flow_id = $2
        ) s) as steps,
       (select json_agg(v) from (
          select b.step_id, b.q, b.weight, case when b.step_id is null
                 then (${durations('read.sessions', 'true')})
                 else (${durations('read.steps', 's.step_id = b.step_id')}) end as milliseconds
            from bounds b
        ) v) as bounds`
