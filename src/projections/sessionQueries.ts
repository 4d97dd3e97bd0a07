import { sql } from 'kysely'
import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'
import { read, run } from './readTables.ts'
import type { SessionRow } from './sessionRow.ts'

export interface SessionListItem {
  readonly id: string
  readonly tenantId: string
  readonly userId: string | null
  readonly flowId: string
  readonly flowVersion: number
  readonly status: SessionRow['status']
  readonly imported?: true
  readonly startedAt: string
  readonly lastActivityAt: string
  readonly completedAt?: string
  readonly abandonedAt?: string
  readonly estimatedCompletion?: string
  readonly milestone: number
  /** How many steps stand completed, and how many skipped. */
  readonly completedStepCount: number
  readonly skippedStepCount: number
  readonly revision: number
}

export interface SessionFilter {
  readonly flowId?: string | undefined
  readonly status?: SessionRow['status'] | undefined
  readonly userId?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

/**
 * A tenant's sessions, the latest begun first; null for a cursor that is not ours. A page goes on behind the last session seen, so
 * what begins meanwhile shifts nothing.
 */
export async function listSessions(
  db: Queryable,
  tenant: string,
  { flowId, status, userId, limit, cursor }: SessionFilter,
): Promise<Page<SessionListItem> | null> {
  const before = readCursor(cursor, ['time', 'string'])
  if (before === null) return null
  let page = read
    .selectFrom('read.sessions')
    .selectAll()
    .where('tenant', '=', tenant)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
  if (flowId !== undefined) page = page.where('flow_id', '=', flowId)
  if (status !== undefined) page = page.where('status', '=', status)
  if (userId !== undefined)
    // The index holds the first 100 characters: ids can be longer than an index takes.
    page = page.where(sql<boolean>`left(user_id, 100) = left(${userId}, 100)`).where('user_id', '=', userId)
  if (before) page = page.where(sql<boolean>`(started_at, id) < (${before[0]}::timestamptz, ${before[1]})`)
  const listed = read
    .selectFrom(page.as('s'))
    .innerJoinLateral(
      (among) =>
        among
          .selectFrom('read.steps')
          .select(({ fn }) => [
            fn.countAll<number>().filterWhere('status', '=', 'completed').as('completed_steps'),
            fn.countAll<number>().filterWhere('status', '=', 'skipped').as('skipped_steps'),
          ])
          .whereRef('tenant', '=', 's.tenant')
          .whereRef('session_id', '=', 's.id')
          .as('t'),
      (join) => join.onTrue(),
    )
    .selectAll('s')
    .select(['t.completed_steps', 't.skipped_steps'])
    .orderBy('s.started_at', 'desc')
    .orderBy('s.id', 'desc')
  const rows = await run(db, listed.compile())
  return pageOf(rows.map(listItem), limit, ({ startedAt, id }) => [startedAt, id])
}

interface StepCounts {
  readonly completed_steps: number
  readonly skipped_steps: number
}

function listItem(row: SessionRow & StepCounts): SessionListItem {
  return {
    id: row.id,
    tenantId: row.tenant,
    userId: row.user_id,
    flowId: row.flow_id,
    flowVersion: row.flow_version,
    status: row.status,
    ...(row.imported && { imported: true as const }),
    startedAt: row.started_at,
    lastActivityAt: row.last_activity_at,
    ...(row.completed_at !== null && { completedAt: row.completed_at }),
    ...(row.abandoned_at !== null && { abandonedAt: row.abandoned_at }),
    ...(row.estimated_completion !== null && { estimatedCompletion: row.estimated_completion }),
    milestone: row.milestone,
    completedStepCount: row.completed_steps,
    skippedStepCount: row.skipped_steps,
    revision: row.revision,
  }
}

export interface AbandonmentCandidate {
  readonly tenant: string
  readonly sessionId: string
  readonly flowId: string
  readonly flowVersion: number
  readonly lastActivityAt: string
}

/**
 * Active sessions in which nothing happened for their flow's `abandonAfterHours` before `now` (ISO 8601), the longest idle first.
 * Imported ones are not among them: history is taken as it was. The command that abandons them decides anew.
 */
export async function abandonmentCandidates(
  db: Queryable,
  now: string,
  limit: number,
): Promise<AbandonmentCandidate[]> {
  const rows = await query<SessionRow>(
    db,
    `select s.tenant, s.id, s.flow_id, s.flow_version, s.last_activity_at
       from read.flow_versions f
       join read.sessions s on s.tenant = f.tenant and s.flow_id = f.flow_id and s.flow_version = f.version
        and s.idle_hour is not null
        and s.idle_hour <= floor(extract(epoch from $1::timestamptz) / 3600 - f.abandon_after_hours)::int
      where s.last_activity_at + f.abandon_after_hours * interval '1 hour' <= $1::timestamptz
      order by s.last_activity_at, s.id limit $2`,
    [now, limit],
  )
  return rows.map((row) => ({
    tenant: row.tenant,
    sessionId: row.id,
    flowId: row.flow_id,
    flowVersion: row.flow_version,
    lastActivityAt: row.last_activity_at,
  }))
}
