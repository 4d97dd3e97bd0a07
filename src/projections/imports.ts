import type { RecordedEvent } from '../domain/envelope.ts'
import type { ImportEvent } from '../domain/importEvents.ts'
import type { Projection } from './projection.ts'
import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'
import { streamId } from './streamId.ts'

export interface ImportRow {
  readonly tenant: string
  readonly id: string
  readonly flow_id: string
  readonly status: 'running' | 'completed'
  readonly started_at: string
  readonly completed_at: string | null
  readonly started_by: string
  readonly rows: number | null
  readonly sessions: number | null
  readonly events: number | null
  readonly rejected_count: number | null
  readonly rejected: readonly unknown[] | null
}

type Event = RecordedEvent<ImportEvent>

export const imports: Projection<ImportRow, Event> = {
  name: 'imports',
  version: 1,
  types: ['ImportStarted', 'ImportCompleted'],
  table: {
    description: 'One row a history import.',
    columns: {
      tenant: 'text',
      id: 'text',
      flow_id: 'text',
      status: 'text',
      started_at: 'timestamptz',
      completed_at: 'timestamptz',
      started_by: 'text',
      rows: 'bigint',
      sessions: 'bigint',
      events: 'bigint',
      rejected_count: 'bigint',
      rejected: 'json',
    },
    about: {
      tenant: 'Tenant.',
      id: 'Import.',
      flow_id: 'Flow that the sessions belong to.',
      status: '`running` until it was read to its end; one that was cut off stays so until it is sent again.',
      started_at: 'When it began.',
      completed_at: 'When it was read to its end.',
      started_by: 'Who sent it.',
      rows: 'Lines read, bad ones included.',
      sessions: 'Sessions newly begun.',
      events: 'Events newly recorded.',
      rejected_count: 'Lines that were not taken in.',
      rejected: 'The first of those, with line, code and detail.',
    },
    key: ['tenant', 'id'],
    indexes: ['(tenant, started_at, id)'],
  },
  key: (event) => [event.metadata.tenant, streamId(event.stream)],
  evolve: (row, event) => {
    const { tenant, actor, occurredAt } = event.metadata
    switch (event.type) {
      case 'ImportStarted':
        return {
          tenant,
          id: streamId(event.stream),
          flow_id: event.data.flowId,
          status: 'running',
          started_at: occurredAt,
          completed_at: null,
          started_by: actor.id,
          rows: null,
          sessions: null,
          events: null,
          rejected_count: null,
          rejected: null,
        }
      case 'ImportCompleted': {
        if (!row) throw new Error('ImportCompleted before its import started')
        const { rows, sessions, events, rejectedCount, rejected } = event.data
        return {
          ...row,
          status: 'completed',
          completed_at: occurredAt,
          rows,
          sessions,
          events,
          rejected_count: rejectedCount,
          rejected,
        }
      }
    }
  },
}

export interface ImportListItem {
  readonly importId: string
  readonly flowId: string
  readonly status: ImportRow['status']
  readonly startedAt: string
  readonly completedAt?: string
  readonly startedBy: string
  readonly rows?: number
  readonly sessions?: number
  readonly events?: number
  readonly rejectedCount?: number
}

/** A tenant's imports, the latest first; null for a cursor that is not ours. */
export async function listImports(
  db: Queryable,
  tenant: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<ImportListItem> | null> {
  const before = readCursor(cursor, ['time', 'string'])
  if (before === null) return null
  const rows = await query<ImportRow>(
    db,
    `select * from read.imports where tenant = $1 and ($2::timestamptz is null or (started_at, id) < ($2::timestamptz, $3))
      order by started_at desc, id desc limit $4`,
    [tenant, before?.[0] ?? null, before?.[1] ?? null, limit + 1],
  )
  return pageOf(rows.map(listItem), limit, ({ startedAt, importId }) => [startedAt, importId])
}

function listItem(row: ImportRow): ImportListItem {
  const { rows, sessions, events } = row
  return {
    importId: row.id,
    flowId: row.flow_id,
    status: row.status,
    startedAt: row.started_at,
    ...(row.completed_at !== null && { completedAt: row.completed_at }),
    startedBy: row.started_by,
    ...(rows !== null && { rows }),
    ...(sessions !== null && { sessions }),
    ...(events !== null && { events }),
    ...(row.rejected_count !== null && { rejectedCount: row.rejected_count }),
  }
}
