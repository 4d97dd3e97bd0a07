import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startEmbeddedPostgres } from '../src/services/embeddedPostgres.ts'
import { freePort, runningServer } from '../src/services/postgresCluster.ts'
import { bearer, call, prepareSessions, SECRET } from './http/load.ts'
import { alternate, type BenchOptions, type BenchRow, compared } from './support.ts'

const POSTGRES = 'PostgreSQL alone'
const root = new URL('..', import.meta.url)

/**
 * From `node src/main.ts` with nothing set but a folder and a port until it is ready and a list has been read: in a folder used
 * before, in an empty one, and in an empty one with no compiled code kept from an earlier start. Beside it PostgreSQL alone in the same way,
 * made, started and asked once.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const folders = await mkdtemp(join(tmpdir(), 'gangway-start-'))
  await chmod(folders, 0o711)
  const [used, usedAlone] = [join(folders, 'used'), join(folders, 'used-alone')]
  let made = 0
  const fresh = () => join(folders, `fresh-${++made}`)
  const told = (name: string, work: () => Promise<number>) => async () => {
    const seconds = await work()
    log(`${name}: ${seconds.toFixed(2)} s`)
    return seconds
  }
  try {
    await use(used, quick ? 5 : 500)
    await postgresAlone(usedAlone)
    const warm = {
      warm: told('used folder', () => start(used)),
      warmAlone: told('used folder, PostgreSQL alone', () => postgresAlone(usedAlone)),
    }
    const all = {
      ...warm,
      fresh: told('empty folder', () => start(fresh())),
      freshAlone: told('empty folder, PostgreSQL alone', () => postgresAlone(fresh())),
      first: told('empty folder, no compiled code', () =>
        start(fresh(), { compiled: join(fresh(), 'code') }),
      ),
      npm: told('npm start, used folder', () => start(used, { command: ['npm', 'start'] })),
    }
    const found: Partial<Record<keyof typeof all, number>> = quick
      ? await alternate(1, warm)
      : await alternate(5, all)
    return { rows: rowsOf(found) }
  } finally {
    await rm(folders, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 })
  }
}

function rowsOf({
  warm,
  warmAlone,
  fresh,
  freshAlone,
  first,
  npm,
}: Readonly<Record<string, number | undefined>>) {
  const rows: BenchRow[] = []
  const row = (
    name: string,
    value: number | undefined,
    max?: number,
    peer?: { name: string; value: number },
  ) => {
    if (value === undefined) return
    rows.push({ name, value, unit: 's', ...(max !== undefined && { target: { max } }) })
    if (peer) rows.push(compared({ name: 'the same', value, unit: 's' }, peer))
  }
  row('used folder to the first 200', warm, 1.5, { name: `${POSTGRES}, started`, value: warmAlone! })
  row('empty folder to the first 200', fresh, 4, {
    name: `${POSTGRES}, made and started`,
    value: freshAlone!,
  })
  row('empty folder, no compiled code kept', first, 4)
  row('used folder, by `npm start`', npm)
  return rows
}

/** Seconds until it is ready and answers a question; then it is stopped. */
async function start(
  folder: string,
  options: { command?: readonly string[]; compiled?: string; use?: (url: string) => Promise<void> } = {},
): Promise<number> {
  const { command = [process.execPath, 'src/main.ts'] } = options
  const port = await freePort()
  const headers = await bearer()
  const begun = performance.now()
  const child = spawn(command[0]!, command.slice(1), {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
    env: {
      ...process.env,
      DATA_DIR: folder,
      PORT: String(port),
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'error',
      ...(options.compiled !== undefined && { NODE_COMPILE_CACHE: options.compiled }),
    },
  })
  const ended = once(child, 'exit')
  const kill = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
  }
  // A bench that is ended takes them along, before the folder they write to.
  process.prependOnceListener('exit', kill)
  ended.catch(() => {})
  const url = `http://127.0.0.1:${port}`
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      const status = await fetch(`${url}/health/ready`).then(
        (answer) => answer.status,
        () => 0,
      )
      if (status === 200) break
      await delay(5)
    }
    const list = await fetch(`${url}/onboarding/sessions`, { headers })
    if (list.status !== 200) throw new Error(`it says that it is ready and answers ${list.status}`)
    const seconds = (performance.now() - begun) / 1000
    await options.use?.(url)
    return seconds
  } finally {
    // As by Ctrl-C, and to the group: npm has children of its own.
    process.kill(-child.pid!, 'SIGINT')
    await ended
    process.off('exit', kill)
    await postgresGone(folder)
  }
}

/** Makes a folder a used one. */
const use = (folder: string, sessions: number) =>
  start(folder, {
    async use(url) {
      for (const id of await prepareSessions(url, sessions))
        await call(url, {
          method: 'PUT',
          path: `/onboarding/step/${id}/company`,
          body: JSON.stringify({ data: { name: 'Ada', size: 2 } }),
        })
    },
  })

/** The same server with the same settings, until it has answered a query. */
async function postgresAlone(folder: string): Promise<number> {
  const begun = performance.now()
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') })
  const seconds = (performance.now() - begun) / 1000
  await postgres.stop()
  await postgresGone(folder)
  return seconds
}

/** A server that is still writing its last checkpoint would be in the way of whoever starts next. */
async function postgresGone(folder: string): Promise<void> {
  while (await runningServer(join(folder, 'postgres', 'postgres'))) await delay(20)
}
