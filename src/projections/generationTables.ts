import type pg from 'pg'
import { START } from '../domain/position.ts'
import { type Generation, generationOf } from './checkpoint.ts'
import { type Family, tableName } from './family.ts'
import { createIndexes, createTable, mergedRows, qualified } from './sql.ts'

/** New, empty tables, without their second indexes. */
export async function createGeneration(
  client: pg.ClientBase,
  family: Family,
  status: Generation['status'],
): Promise<Generation> {
  const { rows } = await client.query(
    `with next as (select coalesce(max(generation), 0) + 1 as generation from read.checkpoints where family = $1)
     insert into read.checkpoints (family, generation, partition, version, status, position)
     select $1, generation, partition, $2, $3, $4 from next, generate_series(0, $5 - 1) partition
     returning generation`,
    [family.name, family.version, status, START, family.partitions],
  )
  const generation: number = rows[0].generation
  for (const model of family.models) {
    const name = tableName(model, generation)
    await client.query(`drop table if exists ${qualified(name)}`)
    await client.query(createTable(name, model.table))
  }
  return generationOf(
    { family: family.name, generation, version: family.version, status },
    rows.map((_, partition) => ({ partition, position: START, changes: 0 })),
  )
}

export async function createSecondIndexes(
  client: pg.ClientBase,
  family: Family,
  generation: number,
): Promise<void> {
  await client.query("set maintenance_work_mem = '256MB'")
  for (const model of family.models)
    for (const sql of createIndexes(tableName(model, generation), model.table)) await client.query(sql)
}

/**
 * Lets the read models' names stand for a generation's tables. Where the columns have changed a view must be made anew, and with it
 * go the views that others made on it.
 */
export async function pointViews(client: pg.ClientBase, family: Family, generation: number): Promise<void> {
  for (const model of family.models) {
    const view = qualified(model.name)
    const name = tableName(model, generation)
    const select = `as ${model.slotted ? mergedRows(name, model.slotted) : `select * from ${qualified(name)}`}`
    await client.query('savepoint view')
    try {
      await client.query(`create or replace view ${view} ${select}`)
    } catch (error) {
      if ((error as { code?: string }).code !== '42P16') throw error
      await client.query('rollback to savepoint view')
      await client.query(`drop view ${view} cascade`)
      await client.query(`create view ${view} ${select}`)
    }
    await client.query('release savepoint view')
  }
}
