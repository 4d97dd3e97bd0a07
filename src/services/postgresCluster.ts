import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readlinkSync } from 'node:fs'
import { chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresBinaries } from './postgresBinaries.ts'
import type { ClusterPlace, RunAs } from './postgresUser.ts'

/** The database's superuser and the database: both are the service's alone. */
export const NAME = 'gangway'

/** The kept password, made on the first start. */
export async function clusterPassword(dataDir: string, cluster: string): Promise<string> {
  const file = join(dataDir, 'postgres.password')
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept) return kept.trim()
  if (existsSync(cluster)) throw new Error(`${file} is missing: ${cluster} cannot be opened without it.`)
  const password = randomBytes(24).toString('base64url')
  await writeFile(`${file}.new`, `${password}\n`, { mode: 0o600, flush: true })
  await rename(`${file}.new`, file)
  return password
}

/**
 * Makes the cluster where there is none. It gets its name only when it is whole, so that one killed half-way is made anew and a
 * good one is never touched.
 */
export async function ensureCluster(
  { cluster, runAs }: ClusterPlace,
  binaries: PostgresBinaries,
  password: string,
  durable: boolean,
): Promise<void> {
  const parent = dirname(cluster)
  // An initdb whose starter was killed may still be writing there, for a moment longer.
  for (const name of await readdir(parent))
    if (name.startsWith('postgres.new-'))
      await rm(join(parent, name), { recursive: true, maxRetries: 20, retryDelay: 50 })
  if (existsSync(cluster)) {
    const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => '')
    if (version.trim() === String(binaries.major)) return
    throw new Error(
      version
        ? `${cluster} was made by PostgreSQL ${version.trim()}, and this is ${binaries.major}: dump it with that version and restore it, or choose another DATA_DIR.`
        : `${cluster} is not a PostgreSQL folder. Choose another DATA_DIR.`,
    )
  }
  const draft = join(parent, `postgres.new-${process.pid}`)
  await ownFolder(draft, runAs)
  const passwordFile = join(draft, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (runAs.uid !== undefined) await chown(passwordFile, runAs.uid, runAs.gid!)
  await run(
    binaries.initdb,
    [
      `--pgdata=${join(draft, 'cluster')}`,
      `--username=${NAME}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(durable ? [] : ['--no-sync']),
    ],
    runAs,
  )
  await rename(join(draft, 'cluster'), cluster)
  if (durable) await syncFolder(parent)
  await rm(draft, { recursive: true })
}

export interface RunningServer {
  readonly pid: number
  readonly port: number
  readonly status: string
}

/** The server that runs on this cluster, whoever started it; undefined also where only its pid file is left. */
export async function runningServer(cluster: string): Promise<RunningServer | undefined> {
  const file = join(cluster, 'postmaster.pid')
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!pid) return undefined
  if (isPostmasterOf(pid, cluster)) return { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? '' }
  await rm(file, { force: true })
  return undefined
}

/** A pid is used again after a crash or in a new container, and PostgreSQL would then refuse to start. */
export function isPostmasterOf(pid: number, cluster: string): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  if (process.platform !== 'linux') return true
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false
  }
}

/**
 * Whether nobody is at work on the server's start. While it takes no connections that is for ever: where its recovery failed, say on
 * a full disk, PostgreSQL 18 stays as it is (seen with 18.4). Only Linux tells.
 */
export async function hasNoStartup(pid: number): Promise<boolean> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => undefined)
  if (children === undefined) return false
  const titles = children
    .split(' ')
    .filter(Boolean)
    .map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => ''))
  return !(await Promise.all(titles)).some((title) => title.startsWith('postgres: startup'))
}

/** Starts the server on `port` and answers once it takes connections. It outlives this process: the last user stops it. */
export async function startServer(
  { cluster, runAs }: ClusterPlace,
  binaries: PostgresBinaries,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<RunningServer> {
  const logFile = join(dirname(cluster), 'postgres.log')
  const size = await stat(logFile).then(
    ({ size }) => size,
    () => 0,
  )
  const log = openSync(logFile, size > 10_000_000 ? 'w' : 'a', 0o600)
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  let ended: string | undefined
  const server = spawn(binaries.postgres, ['-D', cluster, '-p', String(port), ...options], {
    ...runAs,
    cwd: '/',
    // Its own session, so that Ctrl-C in a terminal reaches us and not it.
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, LC_ALL: 'C', PGTZ: 'UTC' },
  })
  closeSync(log)
  server.on('error', (error) => {
    ended = error.message
  })
  server.on('exit', (code, signal) => {
    ended ??= `it ended with ${signal ?? code}`
  })
  server.unref()
  const deadline = Date.now() + 60_000
  for (;;) {
    const running = await runningServer(cluster)
    if (running?.pid === server.pid && running?.status === 'ready') return running
    if (ended) throw new Error(`PostgreSQL did not start: ${ended}\n${await tail(logFile, size)}`)
    if (Date.now() > deadline) throw new Error(`PostgreSQL was not ready after 60 s; see ${logFile}`)
    await delay(5)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address ? address.port : 0
}

async function run(program: string, args: string[], runAs: RunAs): Promise<void> {
  const child = spawn(program, args, { ...runAs, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const code = await new Promise((done, fail) => child.on('error', fail).on('close', done))
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr.trim()}`)
}

async function ownFolder(folder: string, { uid, gid }: RunAs): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  if (uid !== undefined) await chown(folder, uid, gid!)
}

/** Makes a rename in the folder outlast a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

async function tail(file: string, from: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .slice(from > 10_000_000 ? 0 : from)
    .split('\n')
    .slice(-15)
    .join('\n')
    .trim()
}
