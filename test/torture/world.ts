import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createEventStoreDbEventStore } from '../../src/eventStore/eventStoreDb.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { noRedis, startRedis, type TestRedis } from '../support/redis.ts'
import { startEventStore, type TorturedEventStore } from './eventStore.ts'
import type { History } from './history.ts'
import { createNode, type Node, type Role, untilReady } from './node.ts'
import { startPostgres, type TorturedPostgres } from './postgres.ts'
import { KnownLog, readPostgres, readStore } from './recorded.ts'
import { JWT_SECRET } from './secret.ts'
import { mountSmallDisk, type SmallDisk } from './smallDisk.ts'

export const topologies = {
  /** As a company runs it. */
  split: { 'api-1': 'api', 'api-2': 'api', projector: 'projector' },
  /** Two that do everything: who projects is decided between them. */
  twins: { 'node-1': 'all', 'node-2': 'all' },
} as const satisfies Record<string, Record<string, Role>>
export type Topology = keyof typeof topologies

export const engines = ['postgres', 'eventstoredb'] as const
export type Engine = (typeof engines)[number]

/** Everything that can be broken. */
export interface World {
  readonly folder: string
  readonly nodes: readonly Node[]
  /** Those that clients talk to. */
  readonly api: readonly Node[]
  readonly postgres: TorturedPostgres
  /** What PostgreSQL writes to, where a small disk can be mounted. */
  readonly disk: SmallDisk | undefined
  readonly eventStore: TorturedEventStore | undefined
  readonly redis: TestRedis | undefined
  readonly log: KnownLog
  /** The log for who writes to it beside the service; closed by the caller. */
  openStore(): Promise<EventStore>
  /** Without `keep` all traces are removed. */
  stop(keep: boolean): Promise<void>
}

export interface WorldOptions {
  readonly history: History
  readonly topology: Topology
  readonly engine: Engine
  readonly breakage: string | undefined
}

const DISK_MEGABYTES = 1500

/** @throws when something does not start; what did is stopped then. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-torture-'))
  await chmod(folder, 0o711)
  const parts: (() => Promise<unknown>)[] = []
  const stopAll = async () => {
    for (const stop of parts.splice(0).reverse()) await stop().catch((error) => console.error(error))
  }
  try {
    return await build(folder, options, parts, stopAll)
  } catch (error) {
    await stopAll()
    throw new Error(`The world could not be made; see ${folder}`, { cause: error })
  }
}

async function build(
  folder: string,
  { history, topology, engine, breakage }: WorldOptions,
  parts: (() => Promise<unknown>)[],
  stopAll: () => Promise<void>,
): Promise<World> {
  const disk = await mountSmallDisk(folder, DISK_MEGABYTES)
  if (disk) parts.push(disk.unmount)
  const postgres = await startPostgres(join(disk?.folder ?? folder, 'postgres'))
  parts.push(postgres.stop)
  const redis = noRedis === undefined ? await startRedis() : undefined
  if (redis) parts.push(redis.stop)
  const eventStore = engine === 'eventstoredb' ? await startEventStore(folder) : undefined
  if (eventStore) parts.push(eventStore.kill)
  const { connectionString } = postgres
  const openStore = () => {
    const logger = pino({ level: 'silent' })
    return eventStore
      ? createEventStoreDbEventStore({
          connectionString: `esdb://127.0.0.1:${eventStore.port}?tls=false`,
          logger,
        })
      : createPostgresEventStore({ connectionString, logger })
  }
  const reader = eventStore ? await openStore() : undefined
  if (reader) parts.push(() => reader.close())

  const nodes: Node[] = []
  for (const [name, role] of Object.entries(topologies[topology])) {
    const node = await createNode({
      name,
      role,
      folder,
      database: new URL(connectionString),
      eventStorePort: eventStore?.port,
      environment: { JWT_SECRET, ...(redis && { REDIS_URL: redis.url }) },
      breakage,
      onDied: (detail) => {
        history.violated(8, detail)
        void node.start()
      },
    })
    nodes.push(node)
    parts.push(node.stop)
  }
  for (const node of nodes) await node.start()
  for (const node of nodes) {
    const unready = await untilReady(node.url, 120_000)
    if (unready) throw new Error(`${node.name} did not start: ${unready}`)
  }
  return {
    folder,
    nodes,
    api: nodes.filter(({ role }) => role !== 'projector'),
    postgres,
    disk,
    eventStore,
    redis,
    log: new KnownLog(reader ? readStore(reader) : readPostgres(postgres.sql), !reader, (detail, evidence) =>
      history.violated(3, detail, evidence),
    ),
    openStore,
    async stop(keep) {
      await stopAll()
      if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
    },
  }
}
