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
  const { listed, counts, steps, quantiles } = found!
  if (!listed && !counts) return null
  const seconds = new Map((quantiles ?? []).map((one) => [`${one.q} ${one.step_id}`, secondsAt(one)]))
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
  readonly quantiles: Quantile[] | null
}

interface Quantile {
  /** Null for the whole session. */
  readonly step_id: string | null
  readonly q: number
  /** The two values that the quantile lies between, in milliseconds, and how far from the first. */
  readonly low: number
  readonly high: number
  readonly share: number
}

function secondsAt({ low, high, share }: Quantile): number {
  return (low + share * (high - low)) / 1000
}

/** As bucketStart of durationBuckets.ts. */
const START = (bucket: string) =>
  `case when ${bucket} < 64 then ${bucket} else (${bucket} % 64 + 64)::bigint << (${bucket} / 64 - 1) end`

/** The nth value (from 0), out of the one bucket that it lies in, by the index on durations. */
const VALUE = (nth: string) => `
  select case when b.step_id is null then (
           select s.duration_ms from read.sessions s
            where s.tenant = $1 and s.flow_id = $2
              and s.duration_ms >= ${START('b.bucket')} and s.duration_ms < ${START('(b.bucket + 1)')}
            order by s.duration_ms offset ${nth} - b.before limit 1
         ) else (
           select s.duration_ms from read.steps s
            where s.tenant = $1 and s.flow_id = $2 and s.step_id = b.step_id
              and s.duration_ms >= ${START('b.bucket')} and s.duration_ms < ${START('(b.bucket + 1)')}
            order by s.duration_ms offset ${nth} - b.before limit 1
         ) end
    from buckets b
   where b.step_id is not distinct from ranks.step_id and ${nth} >= b.before and ${nth} < b.before + b.sessions`

/** One statement sees one moment: the sums and the values they lead to agree. */
const FIGURES = `
with times as (
  select step_id, bucket, sessions from read.step_times where tenant = $1 and flow_id = $2
  union all
  select null, bucket, sessions from read.flow_times where tenant = $1 and flow_id = $2
), buckets as materialized (
  select step_id, bucket, sessions::bigint,
         (sum(sessions) over (partition by step_id order by bucket) - sessions)::bigint as before
    from times
), ranks as (
  select step_id, q, floor(q * (total - 1))::bigint as below, ceil(q * (total - 1))::bigint as above,
         q * (total - 1) - floor(q * (total - 1)) as share
    from (select step_id, sum(sessions)::float8 as total from times group by step_id) t,
         (values (0.5::float8), (0.9::float8)) as wanted(q)
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
          select step_id, q, share, (${VALUE('ranks.below')}) as low, (${VALUE('ranks.above')}) as high from ranks
        ) v) as quantiles`
