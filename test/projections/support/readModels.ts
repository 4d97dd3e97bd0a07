import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { streamName } from '../../../src/domain/stream.ts'
import { encode } from '../../../src/eventStore/codec.ts'
import type { Append, EventStore } from '../../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../../src/eventStore/postgres.ts'
import { type Content, readModelContents } from '../../../src/projections/compare.ts'
import { familiesOf } from '../../../src/projections/family.ts'
import { prepareClient } from '../../../src/projections/prepareClient.ts'
import type { AnyProjection } from '../../../src/projections/projection.ts'
import { readModels } from '../../../src/projections/readModels.ts'
import { createProjectionRunner, type ProjectionRunnerOptions } from '../../../src/projections/runner.ts'
import { freshDatabase } from '../../support/database.ts'
import type { Happening } from './histories.ts'

export const silent = { info() {}, warn() {} }

/** A database with a log, gone when the test is. */
export async function freshLog() {
  const database = await freshDatabase()
  const store = await createPostgresEventStore({ connectionString: database.connectionString })
  const pool = new pg.Pool({ connectionString: database.connectionString, max: 4 })
  pool.on('error', () => {})
  onTestFinished(async () => {
    await pool.end()
    await store.close()
    await database.drop()
  })
  return { store, pool, connectionString: database.connectionString }
}
export type FreshLog = Awaited<ReturnType<typeof freshLog>>

/** A runner that is stopped when the test ends. */
export function runnerOn(
  { store, connectionString }: Pick<FreshLog, 'store' | 'connectionString'>,
  options: Partial<ProjectionRunnerOptions> = {},
) {
  const runner = createProjectionRunner({
    store,
    connectionString,
    projections: readModels,
    logger: silent,
    ...options,
  })
  onTestFinished(() => runner.stop())
  return runner
}

/** Starts a runner, waits until it has seen everything, and stops it. */
export async function projectAll(log: FreshLog, options: Partial<ProjectionRunnerOptions> = {}) {
  const runner = runnerOn(log, options)
  await runner.start()
  const head = await log.store.head()
  for (const { name, parent } of options.projections ?? readModels)
    if (!parent) {
      const caught = await runner.waitFor(name, head, 20_000)
      if (!caught.ok) throw new Error(`${name} is ${caught.behind} behind`)
    }
  await runner.stop()
}

/** Appends happenings in their order, one event an append; many on their way at a time, which keeps the order. */
export async function tell(store: EventStore, happenings: readonly Happening[]): Promise<void> {
  const heads = new Map<string, { revision: number; chain: string }>()
  const appends = happenings.map(({ session, tenant, event, occurredAt }) => {
    const stream = streamName('session', tenant, session)
    const head = heads.get(stream)
    const place = head ?? 'no_stream'
    const events = encode(
      stream,
      [{ id: randomUUID(), event, metadata: metadata(tenant, occurredAt) }],
      place,
    )
    heads.set(stream, { revision: (head?.revision ?? -1) + 1, chain: events[0]!.metadata.chain })
    return { stream, events, expected: head?.revision ?? ('no_stream' as const) }
  })
  while (appends.length > 0) {
    // Of one stream only one at a time: each expects the one before.
    const together = new Set<string>()
    const group: Append[] = []
    while (appends.length > 0 && !together.has(appends[0]!.stream) && together.size < 300) {
      together.add(appends[0]!.stream)
      group.push(appends.shift()!)
    }
    const results = await store.appendMany(group)
    if (!results.every(({ ok }) => ok)) throw new Error('somebody else writes')
  }
}

export function metadata(tenant: string, occurredAt: string) {
  const id = randomUUID()
  return {
    tenant,
    actor: { id: 'tester', role: 'admin' },
    commandId: id,
    commandHash: '0'.repeat(64),
    $correlationId: id,
    $causationId: id,
    occurredAt,
  }
}

/** Row count and hash of every table of the read models in use. */
export async function contents(
  connectionString: string,
  projections: readonly AnyProjection[] = readModels,
): Promise<Record<string, Content>> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await prepareClient(client)
    return await readModelContents(client, familiesOf(projections))
  } finally {
    await client.end()
  }
}
