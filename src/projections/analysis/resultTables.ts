import type pg from 'pg'
import { createMissing } from '../../createMissing.ts'

/** A table that holds what was made of a saved definition. */
export interface ResultTable {
  readonly name: string
  /** For docs/read-models.md. */
  readonly description: string
  /** Columns in order: Postgres type, what it means. */
  readonly columns: Readonly<Record<string, readonly [type: string, about: string]>>
  readonly key: readonly string[]
  readonly indexes?: readonly string[]
}

const text = 'text collate "C" not null'
const tenant = [text, 'Tenant.'] as const
const key = [text, 'Key of the saved definition.'] as const

export const savedAnswers: ResultTable = {
  name: 'saved_answers',
  description:
    'One row a saved funnel, retention or segment: its whole answer as `GET /analytics/…/:key` gives it.',
  columns: {
    tenant,
    kind: [text, '`funnel`, `retention` or `segment`.'],
    key,
    defined_at: ['bigint not null', 'Position of the event that saved the definition.'],
    position: ['bigint not null', 'The log was seen up to here when it was computed.'],
    as_of: ['timestamptz not null', 'Nothing later was seen.'],
    answer: ['json', 'The answer; null where the definition can no longer be answered.'],
    faults: ['json', 'Why it cannot be answered.'],
    computed_at: ['timestamptz not null default clock_timestamp()', 'When it was written.'],
  },
  key: ['tenant', 'kind', 'key'],
}

export const savedProgress: ResultTable = {
  name: 'saved_progress',
  description: 'One row: every kept answer is current up to this position of the log.',
  columns: {
    name: [text, 'Always `analysis`.'],
    position: ['bigint not null', 'Position of the log.'],
  },
  key: ['name'],
}

export const funnelUnits: ResultTable = {
  name: 'funnel_units',
  description: 'One row for each session or user that entered a saved funnel: how far it got.',
  columns: {
    tenant,
    key,
    unit_number: ['integer not null', 'Number of the unit, in the order units were first seen.'],
    unit: [text, 'Session or user.'],
    entered_at: ['timestamptz not null', 'When it entered: the start of its deepest chain.'],
    reached: ['integer not null', 'Steps reached; before any exclusion.'],
    excluded: ['boolean not null', 'Taken out of every step by an exclusion.'],
    unclear: [
      'boolean not null',
      'Taken out although not every order of simultaneous events could be tried.',
    ],
    group_number: [
      'integer not null',
      'Number of its value of the breakdown, in the order values were first seen; −1 of a missing one.',
    ],
    value: ['json', 'Its value of the breakdown; null without one.'],
    after_ms: ['double precision[] not null', 'Milliseconds from the entry to each step reached.'],
  },
  key: ['tenant', 'key', 'unit_number'],
  indexes: ['(tenant, key, entered_at)'],
}

export const funnelDays: ResultTable = {
  name: 'funnel_days',
  description:
    'Daily totals of a saved funnel: units by the day (UTC) on which they entered, by value and step.',
  columns: {
    tenant,
    key,
    day: ['date not null', 'Day of the entry.'],
    group_number: ['integer not null', 'As in `funnel_units`.'],
    value: [
      'json',
      'Value of the breakdown; null without one, and of those that are not among the 200 largest together.',
    ],
    step: ['integer not null', 'Index of the step, from 0.'],
    count: ['bigint not null', 'Units that reached it; excluded ones are left out.'],
  },
  key: ['tenant', 'key', 'day', 'group_number', 'step'],
}

export const retentionCells: ResultTable = {
  name: 'retention_cells',
  description: 'One row for each cohort and period of a saved retention.',
  columns: {
    tenant,
    key,
    cohort: [text, 'Local date (with an hour for hours) on which the cohort starts.'],
    period: ['integer not null', 'Period, or number of the bracket.'],
    size: ['bigint not null', 'Units of the cohort.'],
    returned: ['bigint not null', 'Units that returned.'],
    eligible: ['bigint not null', 'Units for whom the period has begun.'],
    incomplete: ['boolean not null', 'The period is not over.'],
  },
  key: ['tenant', 'key', 'cohort', 'period'],
}

export const segmentMembers: ResultTable = {
  name: 'segment_members',
  description: 'Who belongs to a saved segment.',
  columns: {
    tenant,
    key,
    unit_number: ['integer not null', 'Number of the unit, in the order units were first seen.'],
    unit: [text, 'Session or user.'],
  },
  key: ['tenant', 'key', 'unit_number'],
}

export const segmentSizes: ResultTable = {
  name: 'segment_sizes',
  description:
    'How many belonged to a saved segment: at the end of each of the last days (UTC), and last at present.',
  columns: {
    tenant,
    key,
    at: ['timestamptz not null', 'Time that the size is of.'],
    size: ['bigint not null', 'Members then.'],
  },
  key: ['tenant', 'key', 'at'],
}

/** Every table of saved definitions' results. */
export const resultTables: readonly ResultTable[] = [
  savedAnswers,
  savedProgress,
  funnelUnits,
  funnelDays,
  retentionCells,
  segmentMembers,
  segmentSizes,
]

const LOCK = 7_114_020_771

/** Makes the tables that are missing; several nodes may do so at once. */
export async function createResultTables(
  db: pg.Pool | pg.ClientBase,
  tables: readonly ResultTable[] = resultTables,
): Promise<void> {
  const statements = tables.flatMap(({ name, columns, key: primary, indexes = [] }) => [
    `create table if not exists read.${name} (
      ${Object.entries(columns)
        .map(([column, [type]]) => `${column} ${type},`)
        .join('\n      ')}
      primary key (${primary.join(', ')}))`,
    ...indexes.map((on, i) => `create index if not exists ${name}_${i} on read.${name} ${on}`),
  ])
  await createMissing(db, LOCK, ['create schema if not exists read', ...statements].join(';\n'))
}
