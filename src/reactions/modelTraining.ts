import type pg from 'pg'
import type { Models } from '../commands/models.ts'
import { query } from '../projections/query.ts'
import { type LeasedSchedule, startLeasedSchedule } from './leasedSchedule.ts'

export interface ModelTrainingOptions {
  readonly pool: pg.Pool
  readonly models: Models<unknown>
  readonly onError: (error: unknown) => void
  /** Milliseconds between two looks; ten minutes unless told. */
  readonly everyMs?: number
}

/** Flows with fewer ended sessions have no model. */
const FEWEST = 200
/** A model is fitted anew when a flow has one in so many more ended sessions than it was trained on. */
const GROWTH = 10

/** Fits the models of flows anew as their sessions end. A look answers how many versions were recorded. */
export function startModelTraining(options: ModelTrainingOptions): LeasedSchedule {
  const { pool, models, onError, everyMs = 600_000 } = options
  return startLeasedSchedule({
    pool,
    name: 'model training',
    everyMs,
    onError,
    async work(mine) {
      let trained = 0
      const flows = await query<{ tenant: string; flow_id: string; ended: number }>(pool, ENDED, [FEWEST])
      for (const { tenant, flow_id, ended } of flows) {
        if (!(await mine())) break
        const latest = await models.latest(tenant, flow_id)
        if (latest && (ended - latest.finished) * GROWTH < latest.finished) continue
        const outcome = await models.train(tenant, flow_id)
        if (outcome.is === 'model' && outcome.recorded) trained += 1
      }
      return trained
    },
  })
}

const ENDED = `
select tenant, flow_id, completed + abandoned as ended
  from read.flow_statistics
 where completed + abandoned >= $1
 order by tenant, flow_id`
