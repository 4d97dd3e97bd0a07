import type { RecordedEvent } from '../domain/envelope.ts'
import { DEFAULT_ABANDON_AFTER_HOURS } from '../domain/flow.ts'
import type { FlowDefinition } from '../domain/flowDefinition.ts'
import type { FlowEvent } from '../domain/flowEvents.ts'
import type { Projection } from './projection.ts'
import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'

export interface FlowRow {
  readonly tenant: string
  readonly flow_id: string
  readonly version: number
  readonly title: FlowDefinition['title']
  readonly steps: readonly string[]
  readonly first_published_at: string
  readonly published_at: string
}

export interface FlowVersionRow {
  readonly tenant: string
  readonly flow_id: string
  readonly version: number
  readonly published_at: string
  readonly abandon_after_hours: number
  readonly definition: FlowDefinition
}

type Event = RecordedEvent<FlowEvent>

export const flows: Projection<FlowRow, Event> = {
  name: 'flows',
  version: 1,
  types: ['FlowPublished'],
  table: {
    description: 'One row a flow, as its latest version has it.',
    columns: {
      tenant: 'text',
      flow_id: 'text',
      version: 'integer',
      title: 'json',
      steps: 'json',
      first_published_at: 'timestamptz',
      published_at: 'timestamptz',
    },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      version: 'Its latest version.',
      title: 'Title: a text, or one a language.',
      steps: 'Ids of its steps, as listed.',
      first_published_at: 'When its first version was published.',
      published_at: 'When its latest version was published.',
    },
    key: ['tenant', 'flow_id'],
  },
  key: (event) => [event.metadata.tenant, event.data.flowId],
  evolve: (row, { data, metadata }) => ({
    tenant: metadata.tenant,
    flow_id: data.flowId,
    version: data.version,
    title: data.definition.title,
    steps: data.definition.steps.map(({ id }) => id),
    first_published_at: row?.first_published_at ?? metadata.occurredAt,
    published_at: metadata.occurredAt,
  }),
}

export const flowVersions: Projection<FlowVersionRow, Event> = {
  name: 'flow_versions',
  version: 1,
  types: ['FlowPublished'],
  table: {
    description: 'Every version of every flow, as it was published.',
    columns: {
      tenant: 'text',
      flow_id: 'text',
      version: 'integer',
      published_at: 'timestamptz',
      abandon_after_hours: 'double precision',
      definition: 'json',
    },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      version: 'Version, from 1.',
      published_at: 'When it was published.',
      abandon_after_hours: 'Hours without activity after which a session is abandoned.',
      definition: 'The definition, as given.',
    },
    key: ['tenant', 'flow_id', 'version'],
  },
  key: (event) => [event.metadata.tenant, event.data.flowId, event.data.version],
  evolve: (_row, { data, metadata }) => ({
    tenant: metadata.tenant,
    flow_id: data.flowId,
    version: data.version,
    published_at: metadata.occurredAt,
    abandon_after_hours: data.definition.abandonAfterHours ?? DEFAULT_ABANDON_AFTER_HOURS,
    definition: data.definition,
  }),
}

export interface FlowListItem {
  readonly flowId: string
  readonly version: number
  readonly title: FlowDefinition['title']
  readonly steps: readonly string[]
  readonly firstPublishedAt: string
  readonly publishedAt: string
}

/** A tenant's flows by id; null for a cursor that is not ours. */
export async function listFlows(
  db: Queryable,
  tenant: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<FlowListItem> | null> {
  const after = readCursor(cursor, ['string'])
  if (after === null) return null
  const rows = await query<FlowRow>(
    db,
    `select * from read.flows where tenant = $1 and flow_id > $2 order by flow_id limit $3`,
    [tenant, after?.[0] ?? '', limit + 1],
  )
  return pageOf(
    rows.map((row) => ({
      flowId: row.flow_id,
      version: row.version,
      title: row.title,
      steps: row.steps,
      firstPublishedAt: row.first_published_at,
      publishedAt: row.published_at,
    })),
    limit,
    ({ flowId }) => [flowId],
  )
}
