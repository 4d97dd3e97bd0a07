import pg from 'pg'
import { TENANT } from '../readModels/syntheticLog.ts'

/**
 * Makes the sessions of the bench's tenant so many times as many, by SQL: their events with other ids at the log's end, their rows of the
 * read models under other names, the sums over them multiplied, the checkpoints moved. The copies' hash chains are those of what they are
 * copies of, so this log does not verify. Nobody may use the database meanwhile. Answers the number of events in the log.
 */
export async function repeatHistory(connectionString: string, times: number): Promise<number> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const names = (table: string, columns: readonly string[], changed: Readonly<Record<string, string>>) => ({
    table,
    into: columns.map((column) => `"${column}"`).join(', '),
    from: columns.map((column) => changed[column] ?? `"${column}"`).join(', '),
  })
  try {
    const columnsOf = async (model: string) => {
      const { rows } = await client.query<{ table: string; columns: string[] }>(
        `select table_name as table, array_agg(column_name::text order by ordinal_position) as columns
           from information_schema.columns
          where table_schema = 'read' and table_name ~ ('^' || $1 || '_v[0-9]+_g[0-9]+$') and is_generated = 'NEVER'
          group by table_name`,
        [model],
      )
      return rows[0]!
    }
    await client.query(
      `set synchronous_commit = off; set work_mem = '512MB'; set maintenance_work_mem = '1GB'`,
    )
    await client.query(`create temp table base as
      select id, row_number() over (order by id) as n, name from log.streams where name like 'session-${TENANT}\\_%'`)
    await client.query('analyze base')
    const { rows } = await client.query(`select count(*)::int as events, min(e.position)::int as first
      from base b join log.events e on e.stream = b.id`)
    const { events, first } = rows[0] as { events: number; first: number }
    const { rows: counters } = await client.query('select position::int from log.counter')
    const head: number = counters[0].position
    for (let copy = 1; copy < times; copy++) {
      const renamed = (column: string) => `regexp_replace(${column}, '(case)-', 'copy${copy}-')`
      await client.query(`insert into log.streams (name) select ${renamed('name')} from base order by n`)
      await client.query(`create temp table copied as
        select b.id as was, s.id from base b join log.streams s on s.name = ${renamed('b.name')}`)
      await client.query('analyze copied')
      await client.query(`insert into log.events
          (position, stream, revision, id, recorded_at, chain, type, data, metadata)
        select e.position - ${first} + 1 + ${head} + ${copy - 1}::bigint * ${events}, c.id, e.revision, gen_random_uuid(),
               e.recorded_at, e.chain, e.type, e.data, e.metadata
          from log.events e join copied c on c.was = e.stream
         where e.position between ${first} and ${head} order by e.position`)
      await client.query('drop table copied')
      for (const [model, id] of [
        ['sessions', 'id'],
        ['steps', 'session_id'],
      ] as const) {
        const { table, columns } = await columnsOf(model)
        const { into, from } = names(table, columns, { [id]: renamed(id) })
        await client.query(
          `insert into read.${table} (${into}) select ${from} from read.${table} where tenant = '${TENANT}' and ${id} like 'case-%'`,
        )
      }
    }
    const sums = {
      flow_statistics: ['active', 'paused', 'completed', 'abandoned'],
      flow_times: ['sessions'],
      step_statistics: [
        'sessions',
        'completed_sessions',
        'started',
        'submitted',
        'failed_validations',
        'skipped',
      ],
      step_times: ['sessions'],
    }
    for (const [model, columns] of Object.entries(sums)) {
      const { table } = await columnsOf(model)
      const set = columns.map((column) => `${column} = ${column} * ${times}`).join(', ')
      await client.query(`update read.${table} set ${set} where tenant = '${TENANT}'`)
    }
    const total = head + (times - 1) * events
    await client.query('update log.counter set position = $1', [total])
    await client.query(`update read.checkpoints set position = $1 where status = 'live'`, [total])
    return total
  } finally {
    await client.end()
  }
}
