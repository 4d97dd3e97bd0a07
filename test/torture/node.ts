import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../src/services/postgresCluster.ts'
import type { Build } from './changes.ts'
import { type Network, network } from './network.ts'
import type { Held } from './probe.ts'

export type Role = 'all' | 'api' | 'projector'

/** One node of the service: a process of its own, behind a network of its own, with a database behind another. */
export interface Node {
  readonly name: string
  readonly role: Role
  /** Where clients reach it: through its network. */
  readonly url: string
  /** Past its network. */
  readonly ownUrl: string
  /** Between clients and the node. */
  readonly front: Network
  /** Between the node and PostgreSQL. */
  readonly back: Network
  /** Between the node and EventStoreDB, where that holds the log. */
  readonly log: Network | undefined
  /** `build`: another one than the harness is of. */
  start(build?: Build): Promise<void>
  /** SIGKILL; it is not started again. */
  kill(): Promise<void>
  /** SIGTERM: it says so, finishes what is under way and ends. */
  end(): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Sets its clock off by so many milliseconds. */
  shiftClock(ms: number): Promise<void>
  /** What its process holds once all that can be collected is. */
  held(): Promise<Held>
  stop(): Promise<void>
}

export interface NodeOptions {
  readonly name: string
  readonly role: Role
  readonly folder: string
  readonly database: URL
  /** Port of an EventStoreDB on this machine that holds the log. */
  readonly eventStorePort?: number | undefined
  readonly environment: Readonly<Record<string, string>>
  /** Its deliberate fault. */
  readonly breakage: string | undefined
  /** Called when it ends without having been told to. */
  readonly onDied: (detail: string) => void
}

const main = join(import.meta.dirname, '../../src/main.ts')
const module = (file: string) => join(import.meta.dirname, file)

export async function createNode(options: NodeOptions): Promise<Node> {
  const { name, role, folder, database, eventStorePort, breakage } = options
  const port = await freePort()
  const front = await network({ host: '127.0.0.1', port })
  const back = await network({ host: database.hostname, port: Number(database.port) })
  const through = new URL(database)
  through.port = String(back.port)
  const events = eventStorePort ? await network({ host: '127.0.0.1', port: eventStorePort }) : undefined
  const clockFile = join(folder, `${name}.clock`)
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })
  let child: ChildProcess | undefined

  const start = async (build?: Build) => {
    const modules = [
      'shiftedClock.ts',
      'probe.ts',
      ...(breakage !== undefined || build !== undefined ? ['changeCode.ts'] : []),
    ]
    const started = spawn(
      process.execPath,
      ['--expose-gc', ...modules.flatMap((file) => ['--import', module(file)]), main],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          PORT: String(port),
          DATA_DIR: join(folder, name),
          DATABASE_URL: through.href,
          ...(events && { EVENTSTORE_URL: `esdb://127.0.0.1:${events.port}?tls=false` }),
          ROLES: role,
          LOG_LEVEL: 'warn',
          RATE_LIMIT: '100000000',
          DRAIN_SECONDS: '1',
          TORTURE_CLOCK_FILE: clockFile,
          ...(breakage !== undefined && { TORTURE_BREAK: breakage }),
          ...(build !== undefined && { TORTURE_BUILD: build }),
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
    role,
    url: `http://127.0.0.1:${front.port}`,
    ownUrl: `http://127.0.0.1:${port}`,
    front,
    back,
    log: events,
    start,
    kill: () => end('SIGKILL'),
    end: () => end('SIGTERM'),
    signal(signal) {
      child?.kill(signal)
    },
    async shiftClock(ms) {
      await writeFile(clockFile, String(ms))
      child?.kill('SIGUSR2')
    },
    async held() {
      const told = once(child!, 'message')
      child!.send('what do you hold?')
      return (await told)[0] as Held
    },
    async stop() {
      const networks = [front, back, ...(events ? [events] : [])]
      for (const each of networks) each.heal()
      await end('SIGTERM')
      await Promise.all(networks.map((each) => each.close()))
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
