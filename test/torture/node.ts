import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Network, network } from './network.ts'

/** One node of the service: a process of its own, behind a network of its own, with a database behind another. */
export interface Node {
  readonly name: string
  /** Where clients reach it: through its network. */
  readonly url: string
  readonly pid: number | undefined
  /** Between clients and the node. */
  readonly front: Network
  /** Between the node and PostgreSQL. */
  readonly back: Network
  readonly starts: number
  start(): Promise<void>
  /** SIGKILL; it is not started again. */
  kill(): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Sets its clock off by so many milliseconds. */
  shiftClock(ms: number): Promise<void>
  stop(): Promise<void>
}

export interface NodeOptions {
  readonly name: string
  readonly folder: string
  readonly database: URL
  readonly environment: Readonly<Record<string, string>>
  /** Modules loaded before the service's own. */
  readonly preload: readonly string[]
  /** Called when it ends without having been told to. */
  readonly onDied: (detail: string) => void
}

const main = join(import.meta.dirname, '../../src/main.ts')
const clock = join(import.meta.dirname, 'shiftedClock.ts')

export async function createNode(options: NodeOptions): Promise<Node> {
  const { name, folder, database } = options
  const port = await freePort()
  const front = await network({ host: '127.0.0.1', port })
  const back = await network({ host: database.hostname, port: Number(database.port) })
  const through = new URL(database)
  through.port = String(back.port)
  const clockFile = join(folder, `${name}.clock`)
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })
  let child: ChildProcess | undefined
  let starts = 0

  const start = async () => {
    starts += 1
    const started = spawn(
      process.execPath,
      [clock, ...options.preload].flatMap((file) => ['--import', file]).concat(main),
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          PORT: String(port),
          DATA_DIR: join(folder, name),
          DATABASE_URL: through.href,
          LOG_LEVEL: 'warn',
          RATE_LIMIT: '100000000',
          TORTURE_CLOCK_FILE: clockFile,
          TORTURE_BREAK: process.env.TORTURE_BREAK,
          ...options.environment,
        },
      },
    )
    child = started
    started.stdout!.pipe(log, { end: false })
    started.stderr!.pipe(log, { end: false })
    started.once('exit', (code, signal) => {
      if (child !== started) return
      child = undefined
      options.onDied(`${name} ended by itself: ${signal ?? `code ${code}`}`)
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise((done) => ending.once('exit', done))
    ending.kill('SIGCONT')
    ending.kill(signal)
    const late = setTimeout(() => ending.kill('SIGKILL'), 15_000)
    await gone
    clearTimeout(late)
  }
  return {
    name,
    url: `http://127.0.0.1:${front.port}`,
    front,
    back,
    start,
    get pid() {
      return child?.pid
    },
    get starts() {
      return starts
    },
    kill: () => end('SIGKILL'),
    signal(signal) {
      child?.kill(signal)
    },
    async shiftClock(ms) {
      await writeFile(clockFile, String(ms))
      child?.kill('SIGUSR2')
    },
    async stop() {
      front.heal()
      back.heal()
      await end('SIGTERM')
      await Promise.all([front.close(), back.close()])
      log.end()
    },
  }
}

/** Waits until a node says that it is ready; undefined, or what it said last when it did not in time. */
export async function untilReady(url: string, timeoutMs: number): Promise<string | undefined> {
  let last = 'no answer'
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await delay(50)) {
    try {
      const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(3000) })
      const text = await answer.text()
      if (answer.status === 200) return undefined
      last = text
    } catch (error) {
      last = String((error as Error).cause ?? error)
    }
  }
  return last
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}
