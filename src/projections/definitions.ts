import { definitionHash } from '../analysis/plan/envelope.ts'
import type { DefinitionEvent, DefinitionKind } from '../domain/definitionEvents.ts'
import type { RecordedEvent } from '../domain/envelope.ts'
import type { Projection } from './projection.ts'
import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'

export interface DefinitionRow {
  readonly tenant: string
  readonly kind: DefinitionKind
  readonly key: string
  readonly flow_id: string
  readonly definition: Readonly<Record<string, unknown>>
  readonly hash: string
  readonly saved_at: string
  readonly saved_by: string
  readonly revision: number
}

export const definitions: Projection<DefinitionRow, RecordedEvent<DefinitionEvent>> = {
  name: 'definitions',
  version: 1,
  types: ['DefinitionSaved', 'DefinitionDeleted'],
  table: {
    description: 'One row a saved funnel, retention or segment, as it was last saved.',
    columns: {
      tenant: 'text',
      kind: 'text',
      key: 'text',
      flow_id: 'text',
      definition: 'json',
      hash: 'text',
      saved_at: 'timestamptz',
      saved_by: 'text',
      revision: 'integer',
    },
    about: {
      tenant: 'Tenant.',
      kind: '`funnel`, `retention` or `segment`.',
      key: 'Key it was saved under.',
      flow_id: 'Flow that it asks about.',
      definition: 'What was saved.',
      hash: 'SHA-256 of the definition as canonical JSON, `asOf` aside.',
      saved_at: 'When it was last saved.',
      saved_by: 'Who saved it.',
      revision: 'Revision of its stream.',
    },
    key: ['tenant', 'kind', 'key'],
  },
  key: ({ metadata, data }) => [metadata.tenant, data.kind, data.key],
  evolve: (_row, event) => {
    const { metadata, revision } = event
    switch (event.type) {
      case 'DefinitionSaved':
        return {
          tenant: metadata.tenant,
          kind: event.data.kind,
          key: event.data.key,
          flow_id: String(event.data.definition.flowId),
          definition: event.data.definition,
          hash: definitionHash(event.data.definition),
          saved_at: metadata.occurredAt,
          saved_by: metadata.actor.id,
          revision,
        }
      case 'DefinitionDeleted':
        return null
    }
  },
}

export interface DefinitionListItem {
  readonly kind: DefinitionKind
  readonly key: string
  readonly flowId: string
  readonly definition: Readonly<Record<string, unknown>>
  readonly definitionHash: string
  readonly savedAt: string
  readonly savedBy: string
  readonly revision: number
}

/** A tenant's saved definitions by kind and key; null for a cursor that is not ours. */
export async function listDefinitions(
  db: Queryable,
  tenant: string,
  { limit, cursor, kind }: { readonly limit: number; readonly cursor?: string; readonly kind?: string },
): Promise<Page<DefinitionListItem> | null> {
  const after = readCursor(cursor, ['string', 'string'])
  if (after === null) return null
  const rows = await query<DefinitionRow>(
    db,
    `select * from read.definitions
      where tenant = $1 and ($2::text is null or kind = $2) and ($3::text is null or (kind, key) > ($3, $4))
      order by kind, key limit $5`,
    [tenant, kind ?? null, after?.[0] ?? null, after?.[1] ?? null, limit + 1],
  )
  const items = rows.map((row) => ({
    kind: row.kind,
    key: row.key,
    flowId: row.flow_id,
    definition: row.definition,
    definitionHash: row.hash,
    savedAt: row.saved_at,
    savedBy: row.saved_by,
    revision: row.revision,
  }))
  return pageOf(items, limit, (item) => [item.kind, item.key])
}
