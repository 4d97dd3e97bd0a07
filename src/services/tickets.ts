import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { createMissing } from '../createMissing.ts'

/**
 * Tickets let a browser open a socket without a token in its URL: each is good once, on any node, for half a minute. They live in
 * Postgres, where taking one is a single statement.
 */
export interface Tickets<Holder> {
  /** Good for so many seconds by the database's clock. `key` is the Idempotency-Key, when there is one: it brings back the ticket that was issued for it. */
  issue(holder: Holder, seconds: number, key?: IssueKey): Promise<Issued | 'key_reused'>
  /** Who the ticket was issued to; undefined when it is unknown, used or expired. */
  take(ticket: string): Promise<Holder | undefined>
}

export interface Issued {
  readonly ticket: string
  readonly expiresAt: string
  readonly replayed: boolean
}

export interface IssueKey {
  readonly tenant: string
  readonly key: string
  readonly hash: string
}

const SCHEMA = `
create schema if not exists live;
create table if not exists live.tickets (
  ticket text primary key,
  holder json not null,
  expires_at timestamptz not null,
  taken boolean not null default false,
  tenant text,
  key text,
  hash text,
  unique (tenant, key)
);
create index if not exists tickets_by_end on live.tickets (expires_at);`

const SCHEMA_LOCK = 7_114_020_731
/** An expired ticket is kept this long for repeats of its key. */
const KEPT = '1 day'

export async function createTickets<Holder>(pool: pg.Pool): Promise<Tickets<Holder>> {
  await createMissing(pool, SCHEMA_LOCK, SCHEMA)
  return {
    async issue(holder, seconds, key) {
      const ticket = randomBytes(32).toString('base64url')
      const { rows } = await pool.query<{
        ticket: string
        expires_at: Date
        hash: string | null
        fresh: boolean
      }>(
        `with gone as (delete from live.tickets where expires_at < now() - interval '${KEPT}'),
              made as (
                insert into live.tickets (ticket, holder, expires_at, tenant, key, hash)
                values ($1, $2, now() + make_interval(secs => $3), $4, $5, $6) on conflict (tenant, key) do nothing
                returning ticket, expires_at, hash)
         select *, true as fresh from made
         union all select ticket, expires_at, hash, false from live.tickets where tenant = $4 and key = $5 limit 1`,
        [ticket, JSON.stringify(holder), seconds, key?.tenant ?? null, key?.key ?? null, key?.hash ?? null],
      )
      // Two of the same key at the same moment: the other one's ticket was not to be seen yet.
      const row = rows[0] ?? (await kept(pool, key!))
      if (key && row.hash !== key.hash) return 'key_reused'
      return { ticket: row.ticket, expiresAt: row.expires_at.toISOString(), replayed: row.ticket !== ticket }
    },
    async take(ticket) {
      const { rows } = await pool.query<{ holder: Holder }>(
        `update live.tickets set taken = true where ticket = $1 and not taken and expires_at > now() returning holder`,
        [ticket],
      )
      return rows[0]?.holder
    },
  }
}

async function kept(pool: pg.Pool, { tenant, key }: IssueKey) {
  const { rows } = await pool.query<{ ticket: string; expires_at: Date; hash: string | null }>(
    'select ticket, expires_at, hash from live.tickets where tenant = $1 and key = $2',
    [tenant, key],
  )
  return rows[0]!
}
