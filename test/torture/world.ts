import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/services/embeddedPostgres.ts'
import { noRedis, startRedis, type TestRedis } from '../support/redis.ts'
import type { History } from './history.ts'
import { createNode, type Node, untilReady } from './node.ts'
import { JWT_SECRET } from './secret.ts'

/** Everything that can be broken: two nodes, one PostgreSQL, Redis where it is installed. */
export interface World {
  readonly folder: string
  readonly nodes: readonly Node[]
  /** Straight to PostgreSQL, past every network that fails. */
  readonly connectionString: string
  readonly redis: TestRedis | undefined
  /** SIGKILL to its postmaster; the embedded PostgreSQL comes back by itself. */
  killPostgres(): Promise<void>
  /** Asks until PostgreSQL answers. */
  sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** A node that is started anew after it died. */
  restart(node: Node): Promise<void>
  /** Without `keep` all traces are removed. */
  stop(keep: boolean): Promise<void>
}

export async function createWorld(history: History, preload: readonly string[]): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-torture-'))
  await chmod(folder, 0o711)
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') })
  const { connectionString } = postgres
  const redis = noRedis === undefined ? await startRedis() : undefined
  const sql: World['sql'] = async (text, values = []) => {
    for (const deadline = performance.now() + 30_000; ; ) {
      const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000, query_timeout: 60_000 })
      client.on('error', () => {})
      try {
        await client.connect()
        return (await client.query(text, [...values])).rows
      } catch (error) {
        if (performance.now() > deadline) throw error
        await new Promise((done) => setTimeout(done, 100))
      } finally {
        await client.end().catch(() => {})
      }
    }
  }
  const [{ data_directory: cluster }] = (await sql<{ data_directory: string }>('show data_directory')) as [
    { data_directory: string },
  ]
  const nodes = await Promise.all(
    ['one', 'two'].map((name) =>
      createNode({
        name,
        folder,
        database: new URL(connectionString),
        environment: { JWT_SECRET, ...(redis && { REDIS_URL: redis.url }) },
        preload,
        onDied: (detail) => {
          history.violated(8, detail)
          const node = nodes.find((one) => one.name === name)
          void node?.start()
        },
      }),
    ),
  )
  for (const node of nodes) await node.start()
  for (const node of nodes) {
    const unready = await untilReady(node.url, 60_000)
    if (unready) throw new Error(`node ${node.name} did not start: ${unready}; see ${folder}`)
  }
  return {
    folder,
    nodes,
    connectionString,
    redis,
    sql,
    async killPostgres() {
      const pid = Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
      process.kill(pid, 'SIGKILL')
    },
    async restart(node) {
      await node.kill()
      await node.start()
    },
    async stop(keep) {
      await Promise.all(nodes.map((node) => node.stop()))
      await postgres.stop()
      await redis?.stop()
      if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
    },
  }
}
