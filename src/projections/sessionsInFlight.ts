import { type Queryable, query } from './query.ts'

export type { Queryable } from './query.ts'

/** Ids of the active and paused sessions on one version of a flow, in their order, those after an id. */
export async function sessionsInFlight(
  db: Queryable,
  tenant: string,
  flowId: string,
  flowVersion: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    db,
    `select id from read.sessions
      where tenant = $1 and flow_id = $2 and flow_version = $3 and status in ('active', 'paused') and id > $4
      order by id limit $5`,
    [tenant, flowId, flowVersion, after, limit],
    'sessions in flight',
  )
  return rows.map(({ id }) => id)
}
