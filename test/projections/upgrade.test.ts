import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generations } from '../../src/projections/checkpoint.ts'
import { holdLease, type Lease, takeLease } from '../../src/projections/lease.ts'
import type { AnyProjection } from '../../src/projections/projection.ts'
import { readModels } from '../../src/projections/readModels.ts'
import { sessions } from '../../src/projections/sessions.ts'
import { type Happening, histories } from './support/histories.ts'
import { shares } from './support/partitions.ts'
import { contents, type FreshLog, freshLog, projectAll, runnerOn, tell } from './support/readModels.ts'

/** The read models as builds had them that knew nothing of partitions. */
const undivided: AnyProjection[] = readModels.map((one) => {
  const root = { ...sessions, version: 1, partitions: 1 } as AnyProjection
  return one === (sessions as AnyProjection) ? root : one
})
for (const [place, one] of undivided.entries())
  if (one.parent) {
    const { merge, ...child } = one
    undivided[place] = { ...child, parent: undivided[0]! }
  }

const told: Happening[] = fc
  .sample(histories(60), { numRuns: 5, seed: 1 })
  .flatMap((some, n) => some.map((one) => ({ ...one, session: `${n}-${one.session}` })))

/** A database as such a build leaves it, which still projects and holds the lease on everything. */
async function olderDatabase(): Promise<{ log: FreshLog; lease: Lease; before: object }> {
  const log = await freshLog()
  await tell(log.store, told)
  await projectAll(log, { projections: undivided })
  const before = await contents(log.connectionString, undivided)
  await log.pool.query(`
    drop function read.move_v2;
    delete from read.leases;
    drop index read.checkpoints_live;
    alter table read.checkpoints drop constraint checkpoints_pkey, drop column partition,
      add primary key (family, generation);
    create unique index checkpoints_live on read.checkpoints (family) where status = 'live'`)
  const client = await log.pool.connect()
  const lease = (await takeLease(client, 'projector', randomUUID()))!
  client.release()
  return { log, lease, before }
}

test('a database from before there were partitions goes on, and nobody folds beside the build that still holds it', async () => {
  const { log, lease, before } = await olderDatabase()
  const nodes = [runnerOn(log), runnerOn(log)]
  await Promise.all(nodes.map((node) => node.start()))
  const client = await log.pool.connect()
  try {
    // The older build goes on meanwhile, as it does.
    for (let n = 0; n < 4; n++) {
      await delay(300)
      await holdLease(client, lease)
      const live = (await generations(client)).find(({ family }) => family === 'flows')!
      await client.query(`select read.move_v1('projector', $1, $2, '{flows}', '{1}', $3, '{0}', $4, now())`, [
        lease.holder,
        lease.epoch,
        [live.position],
        live.position,
      ])
      expect(await shares(log)).toEqual([])
    }
  } finally {
    client.release()
  }
  const head = await log.store.head()
  for (const node of nodes) expect(await node.waitFor('sessions', head, 30_000)).toEqual({ ok: true })
  await expect.poll(() => shares(log), { timeout: 30_000 }).toEqual([5, 5])
  await expect
    .poll(async () => (await generations(log.pool)).find(({ family }) => family === 'sessions'), {
      timeout: 30_000,
    })
    .toMatchObject({ status: 'live', version: 4, position: head, partitions: [{}, {}, {}, {}] })
  // What else there was is gone on with.
  expect((await generations(log.pool)).find(({ family }) => family === 'flows')).toMatchObject({
    generation: 1,
    partitions: [{ partition: 0, position: head }],
  })
  for (const node of nodes) await node.stop()
  expect(await contents(log.connectionString)).toEqual(before)

  // The older build, started once more, finds nothing to take.
  const again = await log.pool.connect()
  expect(await takeLease(again, 'projector', lease.holder)).toBeUndefined()
  again.release()
})
