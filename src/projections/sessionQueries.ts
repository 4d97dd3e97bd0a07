import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'
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
  const values: unknown[] = [tenant]
  const conditions = ['tenant = $1']
  const given = (value: unknown) => `$${values.push(value)}`
  if (flowId !== undefined) conditions.push(`flow_id = ${given(flowId)}`)
  if (status !== undefined) conditions.push(`status = ${given(status)}`)
  if (userId !== undefined) {
    // The index holds the first 100 characters: ids can be longer than an index takes.
    const user = given(userId)
    conditions.push(`left(user_id, 100) = left(${user}, 100)`, `user_id = ${user}`)
  }
  if (before) conditions.push(`(started_at, id) < (${given(before[0])}::timestamptz, ${given(before[1])})`)
  const rows = await query<SessionRow & StepCounts>(
    db,
    `select s.*, t.completed_steps, t.skipped_steps from (
       select * from read.sessions where ${conditions.join(' and ')}
        order by started_at desc, id desc limit ${given(limit + 1)}
     ) s, lateral (
       select count(*) filter (where status = 'completed') as completed_steps,
              count(*) filter (where status = 'skipped') as skipped_steps
         from read.steps where tenant = s.tenant and session_id = s.id
     ) t order by s.started_at desc, s.id desc`,
    values,
  )
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
