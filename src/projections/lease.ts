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
  const [lease] = await takeLeases(client, [name], holder)
  return lease
}

/** Those of the leases that are free, ran out, or are ours already. */
export async function takeLeases(
  client: pg.ClientBase,
  names: readonly string[],
  holder: string,
): Promise<Lease[]> {
  const { rows } = await client.query(
    `insert into read.leases as l (name, holder, epoch, expires_at)
     select name, $2, 1, clock_timestamp() + $3 * interval '1 millisecond' from unnest($1::text[]) k(name)
     on conflict (name) do update
       set holder = excluded.holder, expires_at = excluded.expires_at, epoch = l.epoch + 1
       where l.expires_at < clock_timestamp() or l.holder = excluded.holder
     returning name, epoch`,
    [[...names].sort(), holder, LEASE_MS],
  )
  return rows.map(({ name, epoch }) => ({ name, holder, epoch }))
}

/** Renews a lease. @throws Superseded */
export function holdLease(client: pg.ClientBase, lease: Lease): Promise<void> {
  return holdLeases(client, [lease])
}

/** Renews leases of one holder. @throws Superseded when one of them is another's */
export async function holdLeases(client: pg.ClientBase, leases: readonly Lease[]): Promise<void> {
  const { rows } = await client.query({
    name: 'hold leases',
    text: `update read.leases l set expires_at = clock_timestamp() + $4 * interval '1 millisecond'
             from unnest($1::text[], $2::uuid[], $3::bigint[]) k(name, holder, epoch)
            where l.name = k.name and l.holder = k.holder and l.epoch = k.epoch returning l.name`,
    values: [...columns(leases), LEASE_MS],
  })
  if (rows.length === leases.length) return
  const held = new Set(rows.map(({ name }) => name))
  const lost = leases.flatMap(({ name }) => (held.has(name) ? [] : [name]))
  throw new Superseded(`somebody else took over: ${lost.join(', ')}`)
}

export function releaseLease(client: pg.ClientBase, lease: Lease): Promise<void> {
  return releaseLeases(client, [lease])
}

export async function releaseLeases(client: pg.ClientBase, leases: readonly Lease[]): Promise<void> {
  if (leases.length === 0) return
  await client.query(
    `update read.leases l set expires_at = clock_timestamp()
       from unnest($1::text[], $2::uuid[], $3::bigint[]) k(name, holder, epoch)
      where l.name = k.name and l.holder = k.holder and l.epoch = k.epoch`,
    columns(leases),
  )
}

function columns(leases: readonly Lease[]): [string[], string[], string[]] {
  const inOrder = [...leases].sort((a, b) => (a.name < b.name ? -1 : 1))
  return [
    inOrder.map(({ name }) => name),
    inOrder.map(({ holder }) => holder),
    inOrder.map(({ epoch }) => epoch),
  ]
}
