import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/services/embeddedPostgres.ts'
import { patientSql, type Sql } from './sql.ts'

/** The PostgreSQL of all nodes, durable as in production; it comes back by itself. */
export interface TorturedPostgres {
  /** Straight to it, past every network that fails. */
  readonly connectionString: string
  readonly sql: Sql
  /** Asked once, whatever becomes of it. */
  tryOnce(text: string): Promise<void>
  /** SIGKILL to its postmaster. */
  kill(): Promise<void>
  /** All its processes stand still for so many milliseconds. */
  freeze(ms: number): Promise<void>
  /** Every flush of its log waits so many microseconds first, as on a disk that is slow to sync; 0: as usual. */
  holdFlushesBack(microseconds: number): Promise<void>
  stop(): Promise<void>
}

export async function startPostgres(dataDir: string): Promise<TorturedPostgres> {
  const { connectionString, stop } = await startEmbeddedPostgres({ dataDir })
  const sql = patientSql(connectionString)
  const [{ cluster }] = (await sql<{ cluster: string }>(
    "select current_setting('data_directory') as cluster",
  )) as [{ cluster: string }]
  const postmaster = async () =>
    Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
  return {
    connectionString,
    sql,
    async stop() {
      const pid = await postmaster().catch(() => undefined)
      await stop()
      // One that takes no connections cannot be asked to go, and its disk is about to be taken away.
      if (pid !== undefined) signal(pid, 'SIGKILL')
    },
    async tryOnce(text) {
      const client = new pg.Client({ connectionString, connectionTimeoutMillis: 1000, query_timeout: 1000 })
      client.on('error', () => {})
      await client
        .connect()
        .then(() => client.query(text))
        .catch(() => {})
      await client.end().catch(() => {})
    },
    async kill() {
      process.kill(await postmaster(), 'SIGKILL')
    },
    async freeze(ms) {
      const first = await postmaster()
      // The postmaster first, so that it starts nobody meanwhile.
      const stopped = [first]
      signal(first, 'SIGSTOP')
      for (const pid of await childrenOf(first)) {
        signal(pid, 'SIGSTOP')
        stopped.push(pid)
      }
      await delay(ms)
      for (const pid of stopped.reverse()) signal(pid, 'SIGCONT')
    },
    async holdFlushesBack(microseconds) {
      await sql(`alter system set commit_delay = ${microseconds}`)
      await sql('alter system set commit_siblings = 0')
      await sql('select pg_reload_conf()')
    },
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)])
  return stdout.split('\n').filter(Boolean).map(Number)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}
