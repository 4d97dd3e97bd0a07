import type pg from 'pg'
import { type Generation, generations } from './checkpoint.ts'
import type { Family } from './family.ts'
import { pointViews } from './generationTables.ts'
import { qualified } from './sql.ts'

/**
 * Begins the transaction that ends with `swapIn`: until then whoever projects the family waits, in whatever partition. Answers how far
 * the live tables are. A lock that is not to be had in a second is an error with SQLSTATE 55P03.
 */
export async function haltLive(client: pg.ClientBase, family: Family): Promise<Generation> {
  await client.query(
    "begin; set local lock_timeout = '1s'; set local idle_in_transaction_session_timeout = '30s'",
  )
  // In the order in which transactions of several partitions move them.
  await client.query(
    `select from read.checkpoints where family = $1 and status = 'live' order by partition for update`,
    [family.name],
  )
  return liveOf(await generations(client), family)!
}

export function liveOf(all: readonly Generation[], { name }: Family): Generation | undefined {
  return all.find(({ family, status }) => family === name && status === 'live')
}

/** Lets the read models' names stand for another generation, which has read as far as the live one, and commits. */
export async function swapIn(client: pg.ClientBase, family: Family, generation: number): Promise<void> {
  await client.query(`delete from read.checkpoints where family = $1 and status = 'live'`, [family.name])
  await client.query(
    `update read.checkpoints set status = 'live', changes = changes + 1 where family = $1 and generation = $2`,
    [family.name, generation],
  )
  await pointViews(client, family, generation)
  await client.query('commit')
}

/** Drops tables and parked events of generations that are no more, also those that an earlier rebuild could not drop. */
export async function dropOldGenerations(client: pg.ClientBase, family: Family): Promise<void> {
  await client.query(
    `delete from read.parked p where family = $1 and not exists (
       select from read.checkpoints c where c.family = p.family and c.generation = p.generation)`,
    [family.name],
  )
  const kept = (await generations(client))
    .filter((one) => one.family === family.name)
    .map(({ generation }) => generation)
  const names = family.models.map(({ name }) => name)
  const { rows } = await client.query(
    `select tablename, found[1] as model, found[2]::int as generation
       from pg_tables, regexp_match(tablename, '^(.*)_v[0-9]+_g([0-9]+)$') as found
      where schemaname = 'read' and found[1] = any($1) and found[2]::int <> all($2)`,
    [names, kept],
  )
  await client.query("set lock_timeout = '5s'")
  // Whoever still reads it keeps it: the next rebuild drops it.
  for (const { tablename } of rows)
    await client.query(`drop table if exists ${qualified(tablename)}`).catch((error) => {
      if (error.code !== '55P03') throw error
    })
}
