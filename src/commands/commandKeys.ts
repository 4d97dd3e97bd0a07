import type pg from 'pg'
import { createMissing } from '../createMissing.ts'
import type { Position } from '../domain/position.ts'
import { createPool } from '../postgresPool.ts'

/** What an Idempotency-Key is about to be used for. */
export interface KeyUse {
  readonly tenant: string
  readonly key: string
  readonly stream: string
  /** SHA-256 (hex) of the request. */
  readonly hash: string
  /** When the command is taken to happen (ISO 8601). */
  readonly at: string
}

export interface Unchanged {
  readonly revision: number
  readonly position: Position
}

export interface KeyHolder extends KeyUse {
  /** Set where the command was accepted and changed nothing, which leaves no trace in the log. */
  readonly unchanged?: Unchanged
  /** Seconds since it was taken. */
  readonly age: number
}

/**
 * Which stream and content a tenant's Idempotency-Key stands for, over all nodes. Only this much: whether the command was
 * recorded, and with what outcome, is what the stream says.
 */
export interface CommandKeys {
  /** Takes the key, or tells who holds it. Durable before anything is recorded under the key. */
  take(use: KeyUse): Promise<'taken' | KeyHolder>
  /** Gives a key that nothing was recorded under to another use; false when somebody else was faster. */
  takeOver(holder: KeyHolder, use: KeyUse): Promise<boolean>
  /** From now on it was taken just now; false when it was given up or given away meanwhile, or its outcome is kept. */
  renew(use: KeyUse): Promise<boolean>
  /** Nothing was recorded: the key is free again. */
  release(use: KeyUse): Promise<void>
  /**
   * Remembers, durably, the outcome of a command that was accepted and changed nothing. Answers the outcome that is kept: that of
   * another attempt where one was faster.
   */
  keepUnchanged(use: KeyUse, outcome: Unchanged): Promise<Unchanged>
  close(): Promise<void>
}

const SCHEMA_LOCK = 7_114_020_711
const SCHEMA = `
create schema if not exists log;
create table if not exists log.command_keys (
  tenant text collate "C" not null,
  key text collate "C" not null,
  stream text not null,
  hash text not null,
  at text not null,
  taken_at timestamptz not null default clock_timestamp(),
  unchanged_revision integer,
  unchanged_position bigint,
  primary key (tenant, key)
);
`

/**
 * Keys in PostgreSQL. Keys that are taken at the same time go to the server in one statement.
 *
 * `relaxed` does not wait for the disk at each key. That is safe where the log is in the same PostgreSQL: its commits are flushed in
 * order, so an event that survives a crash has its key before it.
 */
export async function createCommandKeys(options: {
  readonly connectionString: string
  readonly relaxed: boolean
  readonly onError?: (error: Error) => void
}): Promise<CommandKeys> {
  const pool = createPool(
    {
      connectionString: options.connectionString,
      max: 3,
      connectionTimeoutMillis: 5000,
      // Whoever waits for a key on a connection that fell silent would wait for ever, and everybody behind it.
      query_timeout: 5000,
      application_name: 'gangway command keys',
      ...(options.relaxed ? { options: '-c synchronous_commit=off' } : {}),
    },
    options.onError,
  )
  await createMissing(pool, SCHEMA_LOCK, SCHEMA)
  const take = grouped((uses: readonly KeyUse[]) => takeAll(pool, uses))

  return {
    take,
    async takeOver(holder, use) {
      const { rowCount } = await pool.query(
        `update log.command_keys set stream = $5, hash = $6, at = $7, taken_at = clock_timestamp()
          where tenant = $1 and key = $2 and hash = $3 and at = $4 and unchanged_revision is null`,
        [use.tenant, use.key, holder.hash, holder.at, use.stream, use.hash, use.at],
      )
      return rowCount === 1
    },
    async renew(use) {
      const { rowCount } = await pool.query(
        `update log.command_keys set taken_at = clock_timestamp()
          where tenant = $1 and key = $2 and hash = $3 and at = $4 and unchanged_revision is null`,
        [use.tenant, use.key, use.hash, use.at],
      )
      return rowCount === 1
    },
    async release(use) {
      await pool.query(
        `delete from log.command_keys
          where tenant = $1 and key = $2 and hash = $3 and unchanged_revision is null`,
        [use.tenant, use.key, use.hash],
      )
    },
    async keepUnchanged(use, { revision, position }) {
      // Nothing in the log comes after it that would make it durable. Another attempt may have released the key meanwhile.
      const { rows } = await pool.query<Unchanged>(
        `with durable as (select set_config('synchronous_commit', 'on', true))
         insert into log.command_keys as k (tenant, key, stream, hash, at, unchanged_revision, unchanged_position)
         select $1, $2, $3, $4, $5, $6::int, $7::bigint from durable
         on conflict (tenant, key) do update
            set unchanged_revision = coalesce(k.unchanged_revision, excluded.unchanged_revision),
                unchanged_position = coalesce(k.unchanged_position, excluded.unchanged_position)
            where k.hash = excluded.hash
         returning unchanged_revision as revision, unchanged_position::text as position`,
        [use.tenant, use.key, use.stream, use.hash, use.at, revision, position],
      )
      return rows[0] ?? { revision, position }
    },
    close: () => pool.end(),
  }
}

async function takeAll(pool: pg.Pool, uses: readonly KeyUse[]): Promise<('taken' | KeyHolder)[]> {
  // In one order everywhere, so that two nodes taking the same keys do not wait for each other.
  const sorted = [...uses].sort((a, b) => compare(a.tenant, b.tenant) || compare(a.key, b.key))
  const taken = await pool.query<{ tenant: string; key: string }>({
    name: 'take_keys',
    text: `insert into log.command_keys (tenant, key, stream, hash, at)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
           on conflict (tenant, key) do nothing returning tenant, key`,
    values: [
      sorted.map((use) => use.tenant),
      sorted.map((use) => use.key),
      sorted.map((use) => use.stream),
      sorted.map((use) => use.hash),
      sorted.map((use) => use.at),
    ],
  })
  if (taken.rows.length === uses.length) return uses.map(() => 'taken')
  const fresh = new Set(taken.rows.map((row) => nameOf(row)))
  return Promise.all(uses.map((use) => (fresh.has(nameOf(use)) ? 'taken' : holderOf(pool, use))))
}

async function holderOf(pool: pg.Pool, use: KeyUse): Promise<'taken' | KeyHolder> {
  const { rows } = await pool.query<HolderRow>(
    `select stream, hash, at, unchanged_revision, unchanged_position::text as unchanged_position,
            extract(epoch from clock_timestamp() - taken_at)::float8 as age
       from log.command_keys where tenant = $1 and key = $2`,
    [use.tenant, use.key],
  )
  const row = rows[0]
  // Released between the two statements: take it again.
  if (!row) return (await takeAll(pool, [use]))[0]!
  const { stream, hash, at, age } = row
  const unchanged =
    row.unchanged_revision === null
      ? {}
      : { unchanged: { revision: row.unchanged_revision, position: row.unchanged_position! } }
  return { tenant: use.tenant, key: use.key, stream, hash, at, age, ...unchanged }
}

interface HolderRow {
  readonly stream: string
  readonly hash: string
  readonly at: string
  readonly unchanged_revision: number | null
  readonly unchanged_position: string | null
  readonly age: number
}

const nameOf = ({ tenant, key }: { tenant: string; key: string }) => `${tenant.length}:${tenant}${key}`
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Calls that come together are answered by one call, at most two of which are under way at a time. */
function grouped<Q, A>(
  answer: (questions: readonly Q[]) => Promise<readonly A[]>,
): (question: Q) => Promise<A> {
  let waiting: { question: Q; resolve: (answer: A) => void; reject: (error: unknown) => void }[] = []
  let running = 0
  const run = async () => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        const answers = await answer(group.map(({ question }) => question))
        group.forEach(({ resolve }, index) => {
          resolve(answers[index]!)
        })
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    running -= 1
  }
  return (question) =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject })
      if (running < 2) {
        running += 1
        setImmediate(run)
      }
    })
}
