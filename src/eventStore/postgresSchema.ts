import type pg from 'pg'
import { createMissing } from '../createMissing.ts'

/** Both sides' name of what wakes followers; the payload is the log's last position. */
export const CHANNEL = 'gangway_log'

/** Whoever holds it for a transaction writes the log: positions are given and committed in one order. */
export const WRITE_LOCK = 7_114_020_701
const SCHEMA_LOCK = 7_114_020_702

/**
 * Data and metadata are JSON as text: jsonb refuses \u0000 and changes numbers, json checks anew what was just written by
 * JSON.stringify. Metadata is kept without `chain`, which has a column. A stream's head is its last event: there is no second
 * copy to keep in step.
 *
 * The functions carry a version in their name: nodes of two builds may use one database at the same time.
 */
const SCHEMA = `
create schema if not exists log;

create table if not exists log.streams (
  id bigint generated always as identity primary key,
  name text collate "C" not null unique
);

create table if not exists log.events (
  position bigint primary key,
  stream bigint not null,
  revision integer not null,
  id uuid not null,
  recorded_at timestamptz not null,
  chain bytea not null,
  type text collate "C" not null,
  data text not null,
  metadata text not null,
  unique (stream, revision)
);

create table if not exists log.counter (one boolean primary key default true check (one), position bigint not null);
insert into log.counter (position) values (0) on conflict do nothing;

create or replace function log.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'events are facts: the log is only ever added to';
end $$;
create or replace trigger events_are_facts before update or delete or truncate on log.events
  for each statement execute function log.refuse_change();

-- Judges appends to different streams ('-1' expects none) and gives the accepted ones their places, in the order given.
-- stream_ids has 0 for who was refused; base is the log's last position before.
create or replace function log.reserve_v1(
  names text[], expected int[], counts int[],
  out base bigint, out actual int[], out stream_ids bigint[]
) language plpgsql as $$
declare
  total int;
begin
  perform pg_advisory_xact_lock(${WRITE_LOCK});
  if -1 = any(expected) then
    insert into log.streams (name)
      select a.name from unnest(names, expected) as a(name, expected)
       where a.expected = -1 and not exists (select from log.streams s where s.name = a.name);
  end if;
  select array_agg(h.actual order by h.ord),
         array_agg(case when h.actual = h.expected then h.id else 0 end order by h.ord),
         coalesce(sum(h.count) filter (where h.actual = h.expected), 0)
    into actual, stream_ids, total
    from (
      select a.ord, a.expected, a.count, s.id, coalesce(e.revision, -1) as actual
        from unnest(names, expected, counts) with ordinality as a(name, expected, count, ord)
        left join log.streams s on s.name = a.name
        left join lateral (
          select e.revision from log.events e where e.stream = s.id order by e.revision desc limit 1
        ) e on true
    ) h;
  if total > 0 then
    update log.counter c set position = c.position + total returning c.position - total into base;
    perform pg_notify('${CHANNEL}', (base + total)::text);
  end if;
end $$;

-- One call appends a whole group. owners says which append (from 1) an event belongs to.
create or replace function log.append_v2(
  names text[], expected int[], counts int[],
  owners int[], revisions int[], ids uuid[], types text[], chains bytea[], data text[], metadata text[],
  out base bigint, out actual int[], out at timestamptz
) language plpgsql as $$
declare
  stream_ids bigint[];
begin
  select r.base, r.actual, r.stream_ids into base, actual, stream_ids from log.reserve_v1(names, expected, counts) r;
  if base is null then
    return;
  end if;
  at := date_trunc('milliseconds', clock_timestamp());
  insert into log.events (position, stream, revision, id, recorded_at, chain, type, data, metadata)
    select base + row_number() over (), stream_ids[e.owner], e.revision, e.id, at, e.chain, e.type,
           e.data, e.metadata
      from unnest(owners, revisions, ids, types, chains, data, metadata)
           as e(owner, revision, id, type, chain, data, metadata)
     where stream_ids[e.owner] <> 0;
end $$;
`

/** Safe when several nodes start at once. */
export const createSchema = (client: pg.ClientBase) => createMissing(client, SCHEMA_LOCK, SCHEMA)

/**
 * Session settings of the connection that appends: durable commits whatever the server's default, each statement seeing what was
 * committed before it, and plans that look up by index however small the tables were when they were planned.
 */
export const WRITER_SETTINGS = `
set default_transaction_isolation = 'read committed';
set enable_seqscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set plan_cache_mode = force_generic_plan;
set idle_in_transaction_session_timeout = '10s';
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
`
