import { LRUCache } from 'lru-cache'
import type { Position } from '../domain/position.ts'
import type { Queryable } from './query.ts'
import { type FlowFigures, readFlowFigures } from './statisticsQuery.ts'

/** What `GET /onboarding/statistics` answers. */
export interface FlowStatistics {
  readonly flowId: string
  readonly counts: {
    readonly active: number
    readonly paused: number
    readonly completed: number
    readonly abandoned: number
  }
  /** Completed sessions ÷ all sessions; null without any. */
  readonly completionRate: number | null
  /** Of the time from a completed session's beginning to its completion; null without any. */
  readonly medianSeconds: number | null
  /** The steps of the latest version, as listed, then others that anything happened at, by id. */
  readonly steps: readonly StepStatistics[]
}

/**
 * `started`, `submitted`, `failedValidations` and `skipped` count events, repeats too. The times are of `steps.duration_ms`: from a
 * session's first start of the step to its first completion of it; where it was never started, from when the session last moved on.
 * Quantiles are exact, by linear interpolation as `percentile_cont`.
 */
export interface StepStatistics {
  readonly stepId: string
  readonly started: number
  readonly submitted: number
  readonly failedValidations: number
  readonly skipped: number
  readonly medianSeconds: number | null
  readonly p90Seconds: number | null
}

export interface Statistics {
  /** Null when the tenant has neither such a flow nor a session of it. Current to within `FRESH_MS`, and to `after` where given. */
  of(tenant: string, flowId: string, after?: Position): Promise<FlowStatistics | null>
  /** Median seconds by step, for estimates: those steps that anybody has completed. */
  stepMedians(tenant: string, flowId: string): Promise<ReadonlyMap<string, number>>
}

/** Answers are kept this long; longer where reading them takes long, so that it never takes more than a twentieth of the time. */
const FRESH_MS = 100

interface Kept {
  readonly statistics: FlowStatistics | null
  readonly medians: ReadonlyMap<string, number>
  /** What the read models were known to hold before it was read. */
  readonly position: Position
  readonly readAt: number
  readonly tookMs: number
}

/**
 * Statistics of flows out of the sums that are kept with the sessions. Many readers at once share one reading. `position` says how far
 * this process knows the read models to be; while that stands still, an answer stays good.
 */
export function createStatistics(db: Queryable, position: () => Position = () => ''): Statistics {
  const kept = new LRUCache<string, Kept>({ max: 2000 })
  const reading = new Map<string, Promise<Kept>>()

  const read = async (key: string, tenant: string, flowId: string): Promise<Kept> => {
    const before = position()
    const started = performance.now()
    const figures = await readFlowFigures(db, tenant, flowId)
    const statistics = figures && statisticsOf(flowId, figures)
    const readAt = performance.now()
    const result = {
      statistics,
      medians: new Map(
        (statistics?.steps ?? []).flatMap(({ stepId, medianSeconds }) =>
          medianSeconds === null ? [] : [[stepId, medianSeconds]],
        ),
      ),
      position: before,
      readAt: started,
      tookMs: readAt - started,
    }
    kept.set(key, result)
    return result
  }

  const current = async (tenant: string, flowId: string, mustBeNew: boolean): Promise<Kept> => {
    const key = `${tenant}\u0000${flowId}`
    const known = kept.get(key)
    if (known) {
      const now = position()
      if (now !== '' && now === known.position) return known
      if (!mustBeNew && performance.now() - known.readAt < Math.max(FRESH_MS, 20 * known.tookMs)) return known
    }
    // A reading under way may have begun before what the caller waits for: that one is let pass first.
    if (mustBeNew) await reading.get(key)?.catch(() => {})
    let next = reading.get(key)
    if (!next) {
      next = read(key, tenant, flowId).finally(() => reading.delete(key))
      reading.set(key, next)
    }
    return next
  }

  return {
    async of(tenant, flowId, after) {
      return (await current(tenant, flowId, after !== undefined)).statistics
    },
    async stepMedians(tenant, flowId) {
      return (await current(tenant, flowId, false)).medians
    },
  }
}

function statisticsOf(flowId: string, { counts, median, steps, listed }: FlowFigures): FlowStatistics {
  const total = counts.active + counts.paused + counts.completed + counts.abandoned
  const place = new Map(listed.map((stepId, index) => [stepId, index]))
  const known = new Map(steps.map((step) => [step.stepId, step]))
  const others = steps.map(({ stepId }) => stepId).filter((stepId) => !place.has(stepId))
  return {
    flowId,
    counts,
    completionRate: total === 0 ? null : counts.completed / total,
    medianSeconds: median,
    steps: [...listed, ...others].map((stepId) => known.get(stepId) ?? { ...NOTHING, stepId }),
  }
}

const NOTHING = {
  started: 0,
  submitted: 0,
  failedValidations: 0,
  skipped: 0,
  medianSeconds: null,
  p90Seconds: null,
}
