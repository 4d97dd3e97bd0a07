import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { withFileLock } from './folderLock.ts'
import { findPostgres } from './postgresBinaries.ts'
import {
  clusterPassword,
  ensureCluster,
  freePort,
  hasNoStartup,
  NAME,
  type RunningServer,
  runningServer,
  startServer,
} from './postgresCluster.ts'
import { placeCluster } from './postgresUser.ts'

export interface EmbeddedPostgresOptions {
  /** Made when missing. Holds the cluster, its password file (mode 600) and its log. */
  readonly dataDir: string
  readonly log?: (line: string) => void
  /** False gives up durability for speed: for databases that live no longer than a test run. */
  readonly durable?: boolean
}

export interface EmbeddedPostgres {
  readonly connectionString: string
  /** Whether another process had started the server already. */
  readonly shared: boolean
  /** Lets go of the server; the last user of all stops it. */
  stop(): Promise<void>
}

/**
 * A real PostgreSQL in a folder. Processes on the same folder share one server; who uses it shows by a session with a shared
 * advisory lock, which falls with its process, so that even after a kill -9 the count is right. While in use, a server that died
 * is started again on the same port.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  await mkdir(options.dataDir, { recursive: true })
  const dataDir = await realpath(options.dataDir)
  const log = options.log ?? (() => {})
  const stopping = new AbortController()
  const start = (mayCreate: boolean) =>
    withFileLock(join(dataDir, 'postgres.lock'), 120_000, () =>
      ensureServer(dataDir, options.durable ?? true, mayCreate, log, stopping.signal),
    )

  let { user, connectionString, shared, server } = await start(true)
  let reviving: Promise<void> | undefined
  const watch = () => {
    user.once('end', () => {
      if (!stopping.signal.aborted) reviving = revive()
    })
  }
  const revive = async () => {
    for (let wait = 50; !stopping.signal.aborted; wait = Math.min(wait * 2, 5000)) {
      try {
        ;({ user, server } = await start(false))
        watch()
        return log('PostgreSQL had ended and runs again')
      } catch (error) {
        log(`PostgreSQL has ended and could not be started yet: ${(error as Error).message}`)
        await delay(wait * (0.5 + Math.random()), undefined, { signal: stopping.signal }).catch(() => {})
      }
    }
  }
  watch()

  return {
    connectionString,
    shared,
    async stop() {
      if (stopping.signal.aborted) return
      stopping.abort()
      // A server that is just being started again has us as its user, too.
      await reviving
      const last = await user.query(LAST_USER).then(
        ({ rows }) => rows[0].last as boolean,
        () => false,
      )
      if (last) await stopServer(server)
      await user.end().catch(() => {})
    },
  }
}

/** Durable first; the rest is for many small appends and large imports on a small machine. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  effective_cache_size: '1GB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  wal_buffers: '16MB',
  min_wal_size: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '10min',
  random_page_cost: '1.1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
}
const NOT_DURABLE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/** Any number that nothing else in the service locks: it stands for "I use this server". */
const USE_LOCK = 7_114_020_733
const LAST_USER = `select pg_advisory_unlock_shared(${USE_LOCK}), pg_try_advisory_lock(${USE_LOCK}) as last`

interface Ensured {
  readonly user: pg.Client
  readonly connectionString: string
  readonly shared: boolean
  readonly server: RunningServer
}

/** A crash takes PostgreSQL up to 5 s before it begins to recover. */
const NO_STARTUP_MS = 8000

/** Runs under the folder's lock. */
async function ensureServer(
  dataDir: string,
  durable: boolean,
  mayCreate: boolean,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Ensured> {
  const place = await placeCluster(dataDir, log)
  const password = await clusterPassword(dataDir, place.cluster)
  const portFile = join(dataDir, 'postgres.port')
  const deadline = Date.now() + 60_000
  let fault: unknown
  let idleSince: number | undefined
  for (let attempt = 0; Date.now() < deadline; attempt++) {
    let server = await runningServer(place.cluster)
    const shared = server !== undefined
    try {
      if (!server) {
        const binaries = await findPostgres(place.runAs, log)
        if (mayCreate) await ensureCluster(place, binaries, password, durable)
        const kept = Number(await readFile(portFile, 'utf8').catch(() => ''))
        // The kept port comes first: whoever is already using the server knows only that one.
        const port = kept && (attempt < 3 || !mayCreate) ? kept : await freePort()
        server = await startServer(place, binaries, port, { ...SETTINGS, ...(durable ? {} : NOT_DURABLE) })
        // On a full disk a file that is only written over is lost.
        if (port !== kept) await writeFile(portFile, String(port))
      }
      const connectionString = `postgres://${NAME}:${password}@127.0.0.1:${server.port}/${NAME}`
      const user = await useServer(server.port, password)
      return { user, connectionString, shared, server }
    } catch (error) {
      fault = error
      // Not ready yet, being stopped by its last user, or another program took the port: look again.
      if (!isPassing(error) || signal.aborted) throw error
      const idle = server && (error as { code?: string }).code === '57P03' && (await hasNoStartup(server.pid))
      idleSince = idle ? (idleSince ?? performance.now()) : undefined
      if (server && idleSince !== undefined && performance.now() - idleSince > NO_STARTUP_MS) {
        log('PostgreSQL could not recover and stands still: it is ended and started anew')
        process.kill(server.pid, 'SIGKILL')
        idleSince = undefined
      }
      await delay(50)
    }
  }
  throw fault
}

async function useServer(port: number, password: string): Promise<pg.Client> {
  const options = { host: '127.0.0.1', port, user: NAME, password, connectionTimeoutMillis: 10_000 }
  const client = new pg.Client({
    ...options,
    database: 'postgres',
    application_name: 'gangway: in use',
    keepAlive: true,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    // The last user holds it exclusively while it stops the server, which ends this wait with an error.
    await client.query(`select pg_advisory_lock_shared(${USE_LOCK})`)
    const { rowCount } = await client.query('select from pg_database where datname = $1', [NAME])
    if (!rowCount) await client.query(`create database ${NAME}`)
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
}

function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string }
  return (
    code === 'ECONNREFUSED' ||
    code === 'ECONNRESET' ||
    (code?.startsWith('57P') ?? false) ||
    /Connection terminated|not queryable|timeout|did not start/.test(message)
  )
}

/** Waits a moment for it; what remains of its last checkpoint it finishes by itself, and a next start waits for that. */
async function stopServer(server: RunningServer): Promise<void> {
  process.kill(server.pid, 'SIGINT')
  for (const deadline = Date.now() + 800; Date.now() < deadline; await delay(5)) {
    try {
      process.kill(server.pid, 0)
    } catch {
      return
    }
  }
}
