import type pg from 'pg'

/** Somebody else writes these tables: what was about to be written is rolled back. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

/** Milliseconds by the database's clock after which a lease that was not renewed falls to whoever asks. */
const LEASE_MS = 3000

/** The right to do something alone, for a while. `epoch` grows with each holder. */
export interface Lease {
  readonly name: string
  readonly holder: string
  readonly epoch: string
}

/** Takes a lease that is free, ran out, or is ours already; undefined when somebody else has it. */
export async function takeLease(
  client: pg.ClientBase,
  name: string,
  holder: string,
): Promise<Lease | undefined> {
  const { rows } = await client.query(
    `insert into read.leases as l (name, holder, epoch, expires_at)
     values ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
     on conflict (name) do update
       set holder = excluded.holder, expires_at = excluded.expires_at, epoch = l.epoch + 1
       where l.expires_at < clock_timestamp() or l.holder = excluded.holder
     returning epoch`,
    [name, holder, LEASE_MS],
  )
  return rows[0] ? { name, holder, epoch: rows[0].epoch } : undefined
}

/** Renews a lease. @throws Superseded */
export async function holdLease(client: pg.ClientBase, { name, holder, epoch }: Lease): Promise<void> {
  const { rowCount } = await client.query({
    name: 'hold lease',
    text: `update read.leases set expires_at = clock_timestamp() + $4 * interval '1 millisecond'
            where name = $1 and holder = $2 and epoch = $3`,
    values: [name, holder, epoch, LEASE_MS],
  })
  if (rowCount !== 1) throw new Superseded(`somebody else took over: ${name}`)
}

export async function releaseLease(client: pg.ClientBase, { name, holder, epoch }: Lease): Promise<void> {
  await client.query(
    'update read.leases set expires_at = clock_timestamp() where name = $1 and holder = $2 and epoch = $3',
    [name, holder, epoch],
  )
}
