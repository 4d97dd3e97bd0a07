import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueToken } from '../src/api/auth.ts'
import { alternate, type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const BARE = 'bare ws'
const SECRET = 'a secret that is only ever used by this bench'

/**
 * One session's events to many sockets, and what an idle socket costs. Server and clients are processes of their own; the events
 * come through the whole service (HTTP, decider, log, follower), the peer sends frames of the same size from memory.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const sockets = quick ? 50 : 2000
  const events = quick ? 20 : 100
  const idle = quick ? 200 : 10_000
  const postgres = await benchPostgres()
  try {
    const rate = await throughput(await postgres.database(), sockets, events, quick ? 1 : 5)
    log(`${sockets} sockets: ${Math.round(rate.ours)} messages/s, ${BARE} ${Math.round(rate.bare)}`)
    const database = await postgres.database()
    const bytes = { ours: [] as number[], bare: [] as number[] }
    for (let round = 0; round < (quick ? 1 : 2); round++)
      for (const kind of ['ours', 'bare'] as const) bytes[kind].push(await memory(kind, database, idle))
    log(`${idle} idle sockets: ${median(bytes.ours)} KiB each, ${BARE} ${median(bytes.bare)}`)
    const name = (value: number) => value.toLocaleString('en')
    return {
      rows: [
        compared(
          {
            name: `events to ${name(sockets)} sockets`,
            value: rate.ours,
            unit: 'messages/s',
            target: { min: 0.9 },
          },
          { name: BARE, value: rate.bare },
        ),
        compared(
          {
            name: `memory of ${name(idle)} idle sockets`,
            value: median(bytes.ours),
            unit: 'KiB a socket',
            target: { max: 1.5 },
          },
          { name: BARE, value: median(bytes.bare) },
        ),
      ],
    }
  } finally {
    await postgres.stop()
  }
}

async function throughput(database: string, sockets: number, events: number, rounds: number) {
  const ours = await startServer('ours', database)
  const bare = await startServer('bare', database)
  const clients = await startPart('clients', [])
  try {
    const token = await issueToken(SECRET, { sub: 'ann', tenant: 'glavito', roles: ['participant'] }, 3600)
    const ask = (path: string, body: object) =>
      fetch(`${ours.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).then((answer) => answer.json() as Promise<{ id: string }>)
    const { id } = await ask('/onboarding/start', { flowId: 'glavito' })
    await clients.call({ do: 'connect', group: 'ours', url: ours.url, count: sockets, token, session: id })
    await clients.call({ do: 'connect', group: 'bare', url: bare.url, count: sockets })
    const total = sockets * events
    const timed = async (group: string, send: () => Promise<unknown>) => {
      const begun = performance.now()
      const received = clients.call({ do: 'receive', group, total })
      await send()
      await received
      return total / ((performance.now() - begun) / 1000)
    }
    const track = async () => {
      let left = events
      const worker = async () => {
        while (left-- > 0) await ask(`/onboarding/track/${id}`, { type: 'tick', value: 1 })
      }
      await Promise.all(Array.from({ length: 8 }, worker))
    }
    await timed('ours', track)
    const { text } = await clients.call({ do: 'sample', group: 'ours' })
    return await alternate(rounds, {
      ours: () => timed('ours', track),
      bare: () => timed('bare', () => bare.call({ do: 'broadcast', count: events, text })),
    })
  } finally {
    await Promise.all([clients.stop(), ours.stop(), bare.stop()])
  }
}

/** KiB of resident memory that each of many idle, authenticated sockets adds to its server. */
async function memory(kind: 'ours' | 'bare', database: string, sockets: number): Promise<number> {
  const server = await startServer(kind, database)
  const clients = await startPart('clients', [])
  try {
    const token = await issueToken(SECRET, { sub: 'ann', tenant: 'glavito', roles: ['participant'] }, 3600)
    // The first ones grow what is there for all of them.
    await clients.call({
      do: 'connect',
      group: 'first',
      url: server.url,
      count: sockets / 2,
      token,
    })
    const before = await server.call({ do: 'memory' })
    await clients.call({ do: 'connect', group: 'idle', url: server.url, count: sockets, token })
    const after = await server.call({ do: 'memory' })
    return (Number(after.rss) - Number(before.rss)) / sockets / 1024
  } finally {
    await Promise.all([clients.stop(), server.stop()])
  }
}

async function startServer(kind: 'ours' | 'bare', database: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-fanout-'))
  const part = await startPart('server', [kind, database, dataDir, SECRET])
  return {
    ...part,
    url: String(part.ready.url),
    async stop() {
      await part.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

type Message = Readonly<Record<string, unknown>>

/** A process of this bench; it answers one message at a time a group. */
async function startPart(name: string, args: readonly string[]) {
  const child = fork(new URL(`fanout/${name}.ts`, import.meta.url), [...args], { execArgv: ['--expose-gc'] })
  let next = 0
  const ready = await answerOf(child, -1)
  return {
    ready,
    call(message: Message): Promise<Message> {
      const id = next++
      child.send({ id, ...message })
      return answerOf(child, id)
    },
    async stop() {
      const gone = new Promise((done) => child.once('exit', done))
      child.send({ id: -2, do: 'stop' })
      await gone
    },
  }
}

function answerOf(child: ChildProcess, id: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Message) => {
      if (message.id !== id) return
      child.off('message', onMessage).off('exit', onExit)
      if (message.error === undefined) resolve(message)
      else reject(new Error(String(message.error)))
    }
    const onExit = (code: number) => reject(new Error(`a process of the bench ended with ${code}`))
    child.on('message', onMessage).on('exit', onExit)
  })
}
