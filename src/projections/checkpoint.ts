import type pg from 'pg'
import { type Position, START } from '../domain/position.ts'
import { type Family, tableName } from './family.ts'
import { type Lease, Superseded } from './lease.ts'
import { createIndexes, createTable, qualified } from './sql.ts'

/** One generation of a family: a set of tables and how far into the log they reach. */
export interface Generation {
  readonly family: string
  readonly generation: number
  readonly version: number
  readonly status: 'live' | 'building'
  readonly position: Position
  /** Counts whatever changes the tables beside reading on: who has another count has to look anew. */
  readonly changes: number
}

const SCHEMA_LOCK = 7_114_020_703

const SCHEMA = `
create schema if not exists read;

create table if not exists read.checkpoints (
  family text collate "C" not null,
  generation integer not null,
  version integer not null,
  status text not null check (status in ('live', 'building')),
  position bigint not null,
  changes bigint not null default 0,
  recorded_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (family, generation)
);
create unique index if not exists checkpoints_live on read.checkpoints (family) where status = 'live';

create table if not exists read.parked (
  family text collate "C" not null,
  generation integer not null,
  position bigint not null,
  key text collate "C" not null,
  event_id uuid not null,
  type text collate "C" not null,
  stream text collate "C" not null,
  revision integer not null,
  error text,
  parked_at timestamptz not null default now(),
  primary key (family, generation, position)
);
create index if not exists parked_key on read.parked (family, generation, key, position);

create table if not exists read.leases (
  name text primary key,
  holder uuid not null,
  epoch bigint not null,
  expires_at timestamptz not null
);

-- Whoever holds the lease moves checkpoints from where it left them, or nothing of its transaction stays. The lease is only looked at: it
-- spares work, the checkpoints are what two who write at once cannot both move.
create or replace function read.move_v1(
  lease text, lease_holder uuid, lease_epoch bigint,
  families text[], gens int[], positions bigint[], counts bigint[], through bigint, recorded timestamptz
) returns void language plpgsql as $$
declare
  moved int;
begin
  perform from read.leases l where l.name = lease and l.holder = lease_holder and l.epoch = lease_epoch;
  if not found then
    raise exception 'somebody else took over: %', lease using errcode = 'GW001';
  end if;
  update read.checkpoints c
     set position = through, recorded_at = coalesce(recorded, c.recorded_at), updated_at = clock_timestamp()
    from unnest(families, gens, positions, counts) k(family, generation, position, changes)
   where c.family = k.family and c.generation = k.generation and c.position = k.position and c.changes = k.changes;
  get diagnostics moved = row_count;
  if moved <> coalesce(array_length(families, 1), 0) then
    raise exception 'a checkpoint was moved by somebody else' using errcode = 'GW001';
  end if;
end $$;
`

/** Creates what is missing, safe when several nodes start at once: the registry, and tables for families that have none. */
export async function createReadSchema(client: pg.ClientBase, families: readonly Family[]): Promise<void> {
  await client.query('begin')
  try {
    await client.query(`select pg_advisory_xact_lock(${SCHEMA_LOCK})`)
    await client.query(SCHEMA)
    const live = new Set(
      (await generations(client)).filter(({ status }) => status === 'live').map(({ family }) => family),
    )
    for (const family of families)
      if (!live.has(family.name)) {
        const { generation } = await createGeneration(client, family, 'live')
        await createSecondIndexes(client, family, generation)
        await pointViews(client, family, generation)
      }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

export async function generations(client: pg.ClientBase | pg.Pool): Promise<Generation[]> {
  const { rows } = await client.query(
    'select family, generation, version, status, position::text, changes::text from read.checkpoints order by family, generation',
  )
  return rows.map((row) => ({ ...row, changes: Number(row.changes) }))
}

/** New, empty tables, without their second indexes. */
export async function createGeneration(
  client: pg.ClientBase,
  family: Family,
  status: Generation['status'],
): Promise<Generation> {
  const { rows } = await client.query(
    `insert into read.checkpoints (family, generation, version, status, position)
     select $1, coalesce(max(generation), 0) + 1, $2, $3, $4 from read.checkpoints where family = $1
     returning generation`,
    [family.name, family.version, status, START],
  )
  const generation: number = rows[0].generation
  for (const model of family.models) {
    const name = tableName(model, generation)
    await client.query(`drop table if exists ${qualified(name)}`)
    await client.query(createTable(name, model.table))
  }
  return { family: family.name, generation, version: family.version, status, position: START, changes: 0 }
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
    const select = `as select * from ${qualified(tableName(model, generation))}`
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

/** SQLSTATE of `MOVE` where something is not as we left it. */
const SUPERSEDED = 'GW001'

/** Moves checkpoints on, if they are where we left them and the lease is ours; parameters are `moveParameters`. */
export const MOVE = `read.move_v1($1, $2, $3, $4, $5, $6, $7, $8, $9)`

export function moveParameters(
  { name, holder, epoch }: Lease,
  from: readonly Generation[],
  to: Position,
  recordedAt: string | null,
): unknown[] {
  return [
    name,
    holder,
    epoch,
    from.map(({ family }) => family),
    from.map(({ generation }) => generation),
    from.map(({ position }) => position),
    from.map(({ changes }) => changes),
    to,
    recordedAt,
  ]
}

/** The error as it is, or that it was `MOVE` that found somebody else at work. */
export function asSuperseded(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string }
  return code === SUPERSEDED ? new Superseded(message) : error
}
