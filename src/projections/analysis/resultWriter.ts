import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Position } from '../../domain/position.ts'
import { holdLease, type Lease } from '../lease.ts'
import { postgresOfIso } from '../postgresTime.ts'
import type { Replacement, Result } from './results.ts'
import { type ResultTable, resultTables } from './resultTables.ts'
import type { Definition } from './state.ts'

/** Whose result it is, and up to where the log was seen. */
export interface About {
  readonly tenant: string
  readonly definition: Definition
  readonly position: Position
  readonly asOf: string
}

/** Writes a result in one transaction, as long as the lease is ours. @throws Superseded */
export async function writeResult(
  client: pg.Client,
  lease: Lease,
  { tenant, definition, position, asOf }: About,
  result: Result,
): Promise<void> {
  const { kind, key } = definition
  await inTransaction(client, async () => {
    await holdLease(client, lease)
    if ('faults' in result) await deleteRows(client, tenant, kind, key)
    else for (const replacement of result.replacements) await replace(client, tenant, key, replacement)
    await client.query(
      `insert into read.saved_answers (tenant, kind, key, defined_at, position, as_of, answer, faults)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (tenant, kind, key) do update
         set defined_at = excluded.defined_at, position = excluded.position, as_of = excluded.as_of,
             answer = excluded.answer, faults = excluded.faults, computed_at = clock_timestamp()`,
      [
        tenant,
        kind,
        key,
        definition.position,
        position,
        postgresOfIso(asOf),
        'faults' in result ? null : JSON.stringify(result.answer),
        'faults' in result ? JSON.stringify(result.faults) : null,
      ],
    )
  })
}

/** Says that every kept answer is current up to a position. */
export async function writeProgress(client: pg.Client, lease: Lease, position: Position): Promise<void> {
  await inTransaction(client, async () => {
    await holdLease(client, lease)
    await client.query(
      `insert into read.saved_progress (name, position) values ('analysis', $1)
       on conflict (name) do update set position = excluded.position`,
      [position],
    )
  })
}

/** Removes everything that was kept of a definition. */
export async function removeResult(
  client: pg.Client,
  lease: Lease,
  { tenant, kind, key }: { readonly tenant: string; readonly kind: string; readonly key: string },
): Promise<void> {
  await inTransaction(client, async () => {
    await holdLease(client, lease)
    await deleteRows(client, tenant, kind, key)
    await client.query('delete from read.saved_answers where tenant = $1 and kind = $2 and key = $3', [
      tenant,
      kind,
      key,
    ])
  })
}

async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

async function deleteRows(client: pg.Client, tenant: string, kind: string, key: string): Promise<void> {
  for (const { name } of resultTables)
    if (name.startsWith(`${kind}_`))
      await client.query(`delete from read.${name} where tenant = $1 and key = $2`, [tenant, key])
}

async function replace(
  client: pg.Client,
  tenant: string,
  key: string,
  { table, units, rows }: Replacement,
): Promise<void> {
  if (units === 'all')
    await client.query(`delete from read.${table.name} where tenant = $1 and key = $2`, [tenant, key])
  else if (units.length > 0)
    await client.query(
      `delete from read.${table.name} where tenant = $1 and key = $2 and unit_number = any($3)`,
      [tenant, key, units],
    )
  if (rows.length > 0) await copyRows(client, table, rows)
}

async function copyRows(
  client: pg.Client,
  { name, columns }: ResultTable,
  portions: readonly string[],
): Promise<void> {
  const stream = client.query(copyFrom(`copy read.${name} (${Object.keys(columns).join(', ')}) from stdin`))
  const finished = once(stream, 'finish')
  for (const portion of portions)
    if (!stream.write(portion)) await Promise.race([once(stream, 'drain'), finished])
  stream.end()
  await finished
}
