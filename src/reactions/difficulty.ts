import type pg from 'pg'
import type { Difficulty } from '../analysis/insight/behavior.ts'
import type { Flows } from '../commands/flows.ts'
import type { Handle } from '../commands/handle.ts'
import { systemContext } from '../commands/systemContext.ts'
import { derivedId } from '../domain/ids.ts'
import type { Analysis } from '../projections/analysis/analysisIndex.ts'
import { query } from '../projections/query.ts'
import { commandSession } from './commandSession.ts'
import { type LeasedSchedule, startLeasedSchedule } from './leasedSchedule.ts'

export interface DifficultyWatchOptions {
  readonly pool: pg.Pool
  readonly handle: Handle
  readonly flows: Flows
  readonly analysis: Pick<Analysis, 'query'>
  readonly now: () => Date
  readonly onError: (error: unknown) => void
  /** Milliseconds between two looks; half a minute unless told. */
  readonly everyMs?: number
}

/** What happened this long before the last look is looked at again: read models may have been behind. */
const OVERLAP_MS = 120_000
/** The first look goes back so far. */
const FIRST_MS = 3_600_000

/**
 * Finds live sessions that are in difficulty at a step and records it in them, once a step, so that help can be offered. A look answers
 * how many were recorded.
 */
export function startDifficultyWatch(options: DifficultyWatchOptions): LeasedSchedule {
  const { pool, now, onError, everyMs = 30_000 } = options
  let since = now().getTime() - FIRST_MS
  return startLeasedSchedule({
    pool,
    name: 'difficulty',
    everyMs,
    onError,
    async work(mine) {
      const began = now().getTime()
      const from = new Date(since - OVERLAP_MS)
      let recorded = 0
      const hour = Math.floor(from.getTime() / 3_600_000)
      for (const { tenant, flow_id } of await query<BusyFlow>(pool, BUSY, [hour])) {
        if (!(await mine())) return recorded
        for (const found of await difficulties(options, tenant, flow_id, from))
          if (await record(options, tenant, found)) recorded += 1
      }
      since = began
      return recorded
    },
  })
}

interface BusyFlow {
  readonly tenant: string
  readonly flow_id: string
}

/** Flows with live sessions in which something happened since an hour. */
const BUSY = `
select distinct tenant, flow_id from read.sessions where idle_hour is not null and idle_hour >= $1`

async function difficulties(
  { analysis }: DifficultyWatchOptions,
  tenant: string,
  flowId: string,
  from: Date,
): Promise<readonly Difficulty[]> {
  const reply = await analysis.query(tenant, 'difficulties', { flowId, since: from.toISOString() })
  if (reply.is !== 'answer') return []
  return (JSON.parse(reply.json) as { difficulties: readonly Difficulty[] }).difficulties
}

function record(
  options: DifficultyWatchOptions,
  tenant: string,
  { sessionId, stepId, evidence }: Difficulty,
): Promise<boolean> {
  const commandId = derivedId('difficulty', tenant, sessionId, stepId)
  const context = systemContext(tenant, commandId, options.now().toISOString())
  return commandSession(options, context, sessionId, (facts) => ({
    ...facts,
    type: 'RecordDifficulty',
    stepId,
    evidence: [...evidence],
  }))
}
