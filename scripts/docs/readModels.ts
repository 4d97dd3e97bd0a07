import { type ResultTable, resultTables } from '../../src/projections/analysis/resultTables.ts'
import { experimentResults } from '../../src/projections/experimentResults.ts'
import type { AnyProjection, AnyTable, ColumnType, Tally } from '../../src/projections/projection.ts'
import { readModels } from '../../src/projections/readModels.ts'

/** docs/read-models.md: every table for people who point SQL or a BI tool at it. */
export async function readModelsDocument(): Promise<string> {
  return `${INTRODUCTION}
${readModels.map(section).join('\n')}
${RESULTS}
${[...resultTables, experimentResults].map(resultSection).join('\n')}
${OPERATION}`
}

const INTRODUCTION = `# Read models

What Gangway knows, as tables of PostgreSQL, kept current from the log within milliseconds. Point SQL or a BI tool at the
schema \`read\`; nothing but Gangway should write there. Everything here is derived: a rebuild makes it anew.

- Read the names below (they are views). The tables behind them, \`sessions_v1_g3\` and the like, change with each rebuild.
  A view keeps its name over a rebuild; one of yours on top of it lasts as long as the columns stay the same.
- Every table has a \`tenant\`: filter by it.
- Times are \`timestamptz\` and say when something happened, which for an imported history is long before it was recorded.
  A day is one of UTC. Texts compare by their bytes (\`collate "C"\`).
- Sessions, steps, signals and the sums over them change in the same transaction and always fit together. Where several nodes
  project, each folds some of the sessions: whoever reads sees all of them up to the least position of the checkpoints below, and of some what came after.

Which steps lose people, for example:

\`\`\`sql
select step_id, sessions, completed_sessions, round(100.0 * completed_sessions / sessions, 1) as percent
  from read.step_statistics
 where tenant = 'glavito' and flow_id = 'glavito'
 order by percent;
\`\`\`

How far a session is:

\`\`\`sql
select s.id, s.status, count(*) filter (where t.status = 'completed') as completed,
       count(*) filter (where t.status = 'skipped') as skipped, s.milestone, s.last_activity_at
  from read.sessions s left join read.steps t on t.tenant = s.tenant and t.session_id = s.id
 where s.tenant = 'glavito' and s.status = 'active'
 group by s.tenant, s.id, s.status, s.milestone, s.last_activity_at;
\`\`\`
`

const OPERATION = `## How far they are: \`read.checkpoints\`

| column | type | |
|---|---|---|
| \`family\` | text | Read models that are kept together, by the name of the first. |
| \`generation\` | integer | Which tables: the \`g\` in their names. |
| \`partition\` | integer | Which of the parts that several nodes may share: for sessions, 4 by the CRC-32 of the stream's name. |
| \`version\` | integer | Version of what made them. |
| \`status\` | text | \`live\`, or \`building\` during a rebuild. |
| \`position\` | bigint | Position of the last event of the log that they hold. |
| \`changes\` | bigint | Counts what changed them beside reading on. |
| \`recorded_at\` | timestamptz | When that event was recorded. |
| \`updated_at\` | timestamptz | When the checkpoint last moved. |

## What could not be taken in: \`read.parked\`

One row for each event that waits; \`npm run parked\` lists, retries and drops.

| column | type | |
|---|---|---|
| \`family\`, \`generation\` | text, integer | Whose. |
| \`position\` | bigint | The event's. |
| \`key\` | text | What queues: the first read model's key, as JSON. |
| \`event_id\`, \`type\`, \`stream\`, \`revision\` | uuid, text, text, integer | The event. |
| \`error\` | text | Why it could not be taken in; null for those queueing behind it. |
| \`parked_at\` | timestamptz | Since when. |

\`read.leases\` (\`name\`, \`holder\`, \`epoch\`, \`expires_at\`) says which process keeps the read models: \`projector sessions/0\` and the
like for each partition, \`node …\` for each process that shares them.
`

const RESULTS = `# Results of saved definitions and experiments

What analysts saved is answered from the analysis index, which one process keeps in memory; the results are kept here, current
within a second. A table of rows a unit fits the answer beside it: both change in one transaction.
`

function resultSection({ name, description, columns, key }: ResultTable): string {
  const rows = Object.entries(columns).map(
    ([column, [type, about]]) =>
      `| \`${column}\` | ${type.replace(/ (collate "C"|not null|default .*)/g, '')} | ${about} |`,
  )
  return `## \`read.${name}\`

${description} Key: ${key.map((column) => `\`${column}\``).join(', ')}.

| column | type | |
|---|---|---|
${rows.join('\n')}
`
}

function section(projection: AnyProjection): string {
  const tallies = (projection.tallies ?? []) as readonly Tally<object>[]
  return [
    tableSection(projection.name, projection.table),
    ...tallies.map(({ name, table }) => tableSection(name, table)),
  ].join('\n')
}

function tableSection(name: string, table: AnyTable): string {
  const about = table.about as Record<string, string>
  const columns = Object.entries(table.columns as Record<string, ColumnType>)
  const rows = columns.map(([column, type]) => `| \`${column}\` | ${type} | ${about[column]} |`)
  return `## \`read.${name}\`

${table.description} Key: ${table.key.map((column) => `\`${String(column)}\``).join(', ')}.

| column | type | |
|---|---|---|
${rows.join('\n')}
`
}
