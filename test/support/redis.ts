import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { Redis } from 'ioredis'
import { freePort } from '../../src/services/postgresCluster.ts'

/** Why there is no Redis to test with; undefined when there is one, at REDIS_URL or as a `redis-server` on the path. */
export const noRedis: string | undefined =
  process.env.REDIS_URL || spawnSync('redis-server', ['--version']).status === 0
    ? undefined
    : 'no REDIS_URL and no redis-server on the path'

export interface TestRedis {
  readonly url: string
  /** Whether it is ours to stop and start again. */
  readonly own: boolean
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** The Redis of REDIS_URL, or a new one on a free port that keeps nothing on disk. */
export async function startRedis(): Promise<TestRedis> {
  if (process.env.REDIS_URL)
    return { url: process.env.REDIS_URL, own: false, kill: nothing, start: nothing, stop: nothing }
  const port = await freePort()
  let server: ChildProcess
  const start = async () => {
    const options = ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1']
    server = spawn('redis-server', options, { stdio: 'ignore', cwd: '/tmp' })
    const probe = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: null })
    probe.on('error', () => {})
    await probe.ping()
    probe.disconnect()
  }
  const kill = async () => {
    const gone = new Promise((done) => server.once('exit', done))
    server.kill('SIGKILL')
    await gone
  }
  await start()
  return { url: `redis://127.0.0.1:${port}`, own: true, kill, start, stop: kill }
}

const nothing = async () => {}
