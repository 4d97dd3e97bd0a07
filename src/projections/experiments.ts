import type { RecordedEvent } from '../domain/envelope.ts'
import type { ExperimentDefinition } from '../domain/experimentDefinition.ts'
import type { AssignmentEvent, ExperimentEvent } from '../domain/experimentEvents.ts'
import type { Projection } from './projection.ts'
import { type Page, pageOf, type Queryable, query, readCursor } from './query.ts'

export interface ExperimentRow {
  readonly tenant: string
  readonly key: string
  readonly flow_id: string | null
  readonly status: 'draft' | 'running' | 'stopped'
  readonly definition: ExperimentDefinition
  readonly weights: readonly number[]
  readonly defined_at: string
  readonly started_at: string | null
  readonly stopped_at: string | null
  readonly revision: number
}

export const experiments: Projection<ExperimentRow, RecordedEvent<ExperimentEvent>> = {
  name: 'experiments',
  version: 1,
  types: ['ExperimentDefined', 'ExperimentStarted', 'ExperimentReweighted', 'ExperimentStopped'],
  table: {
    description: 'One row an experiment, as it stands.',
    columns: {
      tenant: 'text',
      key: 'text',
      flow_id: 'text',
      status: 'text',
      definition: 'json',
      weights: 'json',
      defined_at: 'timestamptz',
      started_at: 'timestamptz',
      stopped_at: 'timestamptz',
      revision: 'integer',
    },
    about: {
      tenant: 'Tenant.',
      key: 'Key of the experiment.',
      flow_id: 'The flow it is about; null for all flows.',
      status: '`draft`, `running` or `stopped`.',
      definition: 'As it was defined last.',
      weights: 'Shares of assignment now, in order of the variants; a bandit changes them.',
      defined_at: 'When it was defined last.',
      started_at: 'When assignment began.',
      stopped_at: 'When it ended.',
      revision: 'Revision of its stream.',
    },
    key: ['tenant', 'key'],
  },
  key: ({ metadata, type, data }) => [
    metadata.tenant,
    type === 'ExperimentDefined' ? data.definition.key : data.experiment,
  ],
  evolve: (row, event) => {
    const { metadata, revision } = event
    const at = metadata.occurredAt
    if (event.type === 'ExperimentDefined') {
      const { definition } = event.data
      const sum = definition.variants.reduce((total, { weight }) => total + weight, 0)
      return {
        tenant: metadata.tenant,
        key: definition.key,
        flow_id: definition.flowId ?? null,
        status: 'draft',
        definition,
        weights: definition.variants.map(({ weight }) => weight / sum),
        defined_at: at,
        started_at: null,
        stopped_at: null,
        revision,
      }
    }
    if (!row) return null
    switch (event.type) {
      case 'ExperimentStarted':
        return { ...row, status: 'running', started_at: at, revision }
      case 'ExperimentReweighted':
        return { ...row, weights: event.data.weights, revision }
      case 'ExperimentStopped':
        return { ...row, status: 'stopped', stopped_at: at, revision }
    }
  },
}

export interface AssignmentRow {
  readonly tenant: string
  readonly experiment: string
  readonly unit: string
  readonly unit_id: string
  readonly variant: string | null
  readonly weights: readonly number[]
  readonly assigned_at: string
}

export const assignments: Projection<AssignmentRow, RecordedEvent<AssignmentEvent>> = {
  name: 'assignments',
  version: 1,
  types: ['VariantAssigned'],
  table: {
    description: 'One row for each session or user that met an experiment.',
    columns: {
      tenant: 'text',
      experiment: 'text',
      unit: 'text',
      unit_id: 'text',
      variant: 'text',
      weights: 'json',
      assigned_at: 'timestamptz',
    },
    about: {
      tenant: 'Tenant.',
      experiment: 'Key of the experiment.',
      unit: '`session` or `user`.',
      unit_id: 'Id of the session or user.',
      variant: 'The variant; null for a unit outside the experiment.',
      weights: 'Shares of assignment at that time, in order of the variants.',
      assigned_at: 'When it was assigned.',
    },
    key: ['tenant', 'experiment', 'unit', 'unit_id'],
  },
  key: ({ metadata, data }) => [metadata.tenant, data.experiment, data.unit, data.unitId],
  evolve: (_row, { metadata, data }) => ({
    tenant: metadata.tenant,
    experiment: data.experiment,
    unit: data.unit,
    unit_id: data.unitId,
    variant: data.variant,
    weights: data.weights,
    assigned_at: metadata.occurredAt,
  }),
}

export interface ExperimentListItem {
  readonly key: string
  readonly flowId?: string
  readonly status: ExperimentRow['status']
  readonly definition: ExperimentDefinition
  readonly weights: readonly number[]
  readonly definedAt: string
  readonly startedAt?: string
  readonly stoppedAt?: string
  readonly revision: number
}

/** A tenant's experiments by key; null for a cursor that is not ours. */
export async function listExperiments(
  db: Queryable,
  tenant: string,
  { limit, cursor, status }: { readonly limit: number; readonly cursor?: string; readonly status?: string },
): Promise<Page<ExperimentListItem> | null> {
  const after = readCursor(cursor, ['string'])
  if (after === null) return null
  const rows = await query<ExperimentRow>(
    db,
    `select * from read.experiments
      where tenant = $1 and ($2::text is null or key > $2) and ($3::text is null or status = $3)
      order by key limit $4`,
    [tenant, after?.[0] ?? null, status ?? null, limit + 1],
  )
  const items = rows.map((row) => ({
    key: row.key,
    ...(row.flow_id !== null && { flowId: row.flow_id }),
    status: row.status,
    definition: row.definition,
    weights: row.weights,
    definedAt: row.defined_at,
    ...(row.started_at !== null && { startedAt: row.started_at }),
    ...(row.stopped_at !== null && { stoppedAt: row.stopped_at }),
    revision: row.revision,
  }))
  return pageOf(items, limit, (item) => [item.key])
}

/** Units that were assigned a variant up to a time (ISO 8601). */
export async function countAssigned(
  db: Queryable,
  tenant: string,
  experiment: string,
  asOf: string,
): Promise<number> {
  const [row] = await query<{ n: number }>(
    db,
    `select count(*) as n from read.assignments
      where tenant = $1 and experiment = $2 and variant is not null and assigned_at <= $3`,
    [tenant, experiment, asOf],
  )
  return row?.n ?? 0
}

/** The weights that units were assigned by, and which of them each unit was, numbered in order of time. */
export async function weightPeriods(
  db: Queryable,
  tenant: string,
  experiment: string,
): Promise<{ weights: (readonly number[])[]; of: Map<string, number> }> {
  const rows = await query<Pick<AssignmentRow, 'unit_id' | 'weights'>>(
    db,
    `select unit_id, weights from read.assignments
      where tenant = $1 and experiment = $2 and variant is not null order by assigned_at, unit_id`,
    [tenant, experiment],
  )
  const weights: (readonly number[])[] = []
  const numbers = new Map<string, number>()
  const of = new Map<string, number>()
  for (const { unit_id, weights: used } of rows) {
    const name = used.join()
    const number = numbers.get(name) ?? weights.push(used) - 1
    numbers.set(name, number)
    of.set(unit_id, number)
  }
  return { weights, of }
}
