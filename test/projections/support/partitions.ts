import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { generationOf, generations } from '../../../src/projections/checkpoint.ts'
import { connect } from '../../../src/projections/connections.ts'
import { type Family, familiesOf } from '../../../src/projections/family.ts'
import { releaseLease, takeLease } from '../../../src/projections/lease.ts'
import { project } from '../../../src/projections/project.ts'
import { readModels } from '../../../src/projections/readModels.ts'
import { createReadSchema } from '../../../src/projections/readSchema.ts'
import type { ProjectionRunnerOptions } from '../../../src/projections/runner.ts'
import { liveOf } from '../../../src/projections/swap.ts'
import { tcpProxy } from '../../support/tcpProxy.ts'
import { type FreshLog, runnerOn } from './readModels.ts'

export const sessionsFamily: Family = familiesOf(readModels)[0]!

/** A runner with a network of its own to the database. */
export async function runnerOnNetwork(log: FreshLog, options: Partial<ProjectionRunnerOptions> = {}) {
  const url = new URL(log.connectionString)
  const network = await tcpProxy({ host: url.hostname, port: Number(url.port) })
  url.port = String(network.port)
  const runner = runnerOn({ ...log, connectionString: url.href }, options)
  onTestFinished(async () => {
    network.heal()
    network.cut()
    await network.close().catch(() => {})
  })
  return { runner, network }
}

/** How many partitions each node holds, least first. */
export async function shares({ pool }: FreshLog): Promise<number[]> {
  const { rows } = await pool.query(
    `select count(*)::int as partitions from read.leases
      where name like 'projector %' and expires_at between clock_timestamp() and clock_timestamp() + interval '1 minute'
      group by holder order by 1`,
  )
  return rows.map(({ partitions }) => partitions)
}

/** Projects some partitions of the sessions up to the end of the log, or to `until`, as the holder of these alone. */
export async function projectPartitions(log: FreshLog, partitions: readonly number[], until?: string) {
  const { writer, reader, control, lost, close } = await connect(log.connectionString, 'some partitions')
  try {
    await createReadSchema(control, familiesOf(readModels))
    const lease = (await takeLease(control, 'some partitions', randomUUID()))!
    const live = liveOf(await generations(control), sessionsFamily)!
    const part = live.partitions.filter(({ partition }) => partitions.includes(partition))
    await project(
      {
        store: log.store,
        writer,
        reader,
        leases: [lease],
        signal: lost,
        until: until ?? (await log.store.head()),
      },
      [{ family: sessionsFamily, generation: generationOf(live, part) }],
    )
    await releaseLease(control, lease)
  } finally {
    await close()
  }
}
