import type pg from 'pg'
import { generations } from './checkpoint.ts'
import type { Family } from './family.ts'
import { createGeneration, createSecondIndexes, pointViews } from './generationTables.ts'

const SCHEMA_LOCK = 7_114_020_703

const SCHEMA = `
create schema if not exists read;

create table if not exists read.checkpoints (
  family text collate "C" not null,
  generation integer not null,
  partition integer not null default 0,
  version integer not null,
  status text not null check (status in ('live', 'building')),
  position bigint not null,
  changes bigint not null default 0,
  recorded_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (family, generation, partition)
);
do $$ begin
  -- As it was made before there were partitions.
  if not exists (select from information_schema.columns
                  where table_schema = 'read' and table_name = 'checkpoints' and column_name = 'partition') then
    alter table read.checkpoints
      add column partition integer not null default 0,
      drop constraint checkpoints_pkey,
      add primary key (family, generation, partition);
    drop index read.checkpoints_live;
  end if;
end $$;
-- Builds from before there were partitions make an index of this name where there is none.
create unique index if not exists checkpoints_live on read.checkpoints (family, partition) where status = 'live';

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

-- Whoever holds the leases moves checkpoints from where it left them, or nothing of its transaction stays. The leases are only looked at: that
-- spares work, the checkpoints are what two who write at once cannot both move.
create or replace function read.move_v2(
  leases text[], lease_holder uuid, lease_epochs bigint[],
  families text[], gens int[], parts int[], positions bigint[], counts bigint[], through bigint, recorded timestamptz
) returns void language plpgsql as $$
declare
  held int;
  moved int;
begin
  select count(*) into held
    from unnest(leases, lease_epochs) k(name, epoch)
    join read.leases l on l.name = k.name and l.holder = lease_holder and l.epoch = k.epoch;
  if held <> cardinality(leases) then
    raise exception 'somebody else took over: one of %', array_to_string(leases, ', ') using errcode = 'GW001';
  end if;
  update read.checkpoints c
     set position = through, recorded_at = coalesce(recorded, c.recorded_at), updated_at = clock_timestamp()
    from unnest(families, gens, parts, positions, counts) k(family, generation, partition, position, changes)
   where c.family = k.family and c.generation = k.generation and c.partition = k.partition and c.position = k.position and c.changes = k.changes;
  get diagnostics moved = row_count;
  if moved <> cardinality(families) then
    raise exception 'a checkpoint was moved by somebody else' using errcode = 'GW001';
  end if;
end $$;

-- As builds call it that know nothing of partitions: one may go on beside this one until it is replaced.
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
  await alone(client, async () => {
    const live = new Set(
      (await generations(client)).filter(({ status }) => status === 'live').map(({ family }) => family),
    )
    for (const family of families)
      if (!live.has(family.name)) {
        const { generation } = await createGeneration(client, family, 'live')
        await createSecondIndexes(client, family, generation)
        await pointViews(client, family, generation)
      }
  })
}

/** The registry alone, as this build has it: for commands that may run before the service does. */
export async function createRegistry(client: pg.ClientBase): Promise<void> {
  await alone(client, async () => {})
}

async function alone(client: pg.ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await client.query(`select pg_advisory_xact_lock(${SCHEMA_LOCK})`)
    await client.query(SCHEMA)
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}
