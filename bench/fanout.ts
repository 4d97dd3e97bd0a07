import { issueToken } from '../src/api/auth.ts'
import { type CpuTime, type ServerPart, startClients, startServer } from './fanout/parts.ts'
import { alternate, type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const BARE = 'bare ws'
const SECRET = 'a secret that is only ever used by this bench'
/** Commands on their way at a time, and so many events may be committed together. */
const AT_ONCE = 8

/**
 * One session's events to many sockets, and what an idle socket costs. Servers and clients are processes of their own; the events
 * come through the whole service (HTTP, decider, log, follower), the peer sends frames of the same size from memory: event by event, as one
 * does with `ws`, and beside that with its sockets corked over as many events as our commands come at a time, which its interface does not offer.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const sockets = quick ? 50 : 2000
  const events = quick ? 24 : 100
  const idle = quick ? 200 : 10_000
  const postgres = await benchPostgres()
  try {
    const rate = await throughput(await postgres.database(), { sockets, events, rounds: quick ? 1 : 5, log })
    const database = await postgres.database()
    const kib = { ours: [] as Memory[], bare: [] as Memory[] }
    for (let round = 0; round < (quick ? 1 : 2); round++)
      for (const kind of ['ours', 'bare'] as const) {
        const each = await memory(kind, database, idle)
        log(`${kind}: ${each.held.toFixed(2)} KiB a socket, ${each.rss.toFixed(2)} with the young generation`)
        kib[kind].push(each)
      }
    const of = (kind: 'ours' | 'bare', what: keyof Memory) => median(kib[kind].map((each) => each[what]))
    const name = (value: number) => value.toLocaleString('en')
    const row = { name: `events to ${name(sockets)} sockets`, value: rate.ours, unit: 'messages/s' }
    return {
      rows: [
        compared({ ...row, target: { min: 0.9 } }, { name: BARE, value: rate.bare }),
        compared(
          { ...row, name: `${row.name}, up to ${AT_ONCE} in a write` },
          { name: `${BARE}, corked by hand`, value: rate.corked },
        ),
        compared(
          {
            name: `memory of ${name(idle)} idle sockets`,
            value: of('ours', 'held'),
            unit: 'KiB a socket',
            target: { max: 1.5 },
          },
          { name: BARE, value: of('bare', 'held') },
        ),
        compared(
          {
            name: 'the same with what was touched of the young generation',
            value: of('ours', 'rss'),
            unit: 'KiB a socket',
          },
          { name: BARE, value: of('bare', 'rss') },
        ),
      ],
    }
  } finally {
    await postgres.stop()
  }
}

interface Load extends Pick<BenchOptions, 'log'> {
  readonly sockets: number
  readonly events: number
  readonly rounds: number
}

/** Messages a second that reach the clients; each socket must have got each event. */
async function throughput(database: string, { sockets, events, rounds, log }: Load) {
  const ours = await startServer('ours', database, SECRET)
  const bare = await startServer('bare', database, SECRET)
  const clients = await startClients()
  try {
    const token = await participant()
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
    const timed = async (name: string, server: ServerPart, send: () => Promise<unknown>) => {
      const before = [await server.cpu(), await clients.cpu()] as const
      const begun = performance.now()
      const received = clients.call({ do: 'receive', group: server === ours ? 'ours' : 'bare', each: events })
      await send()
      await received
      const seconds = (performance.now() - begun) / 1000
      log(
        `${name}: ${Math.round(total / seconds)} messages/s; ${spent(before, [await server.cpu(), await clients.cpu()], total)}`,
      )
      return total / seconds
    }
    const track = async () => {
      let left = events
      const worker = async () => {
        while (left-- > 0) await ask(`/onboarding/track/${id}`, { type: 'tick', value: 1 })
      }
      await Promise.all(Array.from({ length: AT_ONCE }, worker))
    }
    await timed('first', ours, track)
    const { text } = await clients.call({ do: 'sample', group: 'ours' })
    const broadcast = (together: number) => () =>
      bare.call({ do: 'broadcast', count: events, together, text })
    return await alternate(rounds, {
      ours: () => timed('ours', ours, track),
      bare: () => timed(BARE, bare, broadcast(1)),
      corked: () => timed(`${BARE}, corked`, bare, broadcast(AT_ONCE)),
    })
  } finally {
    await Promise.all([clients.stop(), ours.stop(), bare.stop()])
  }
}

/** Microseconds of CPU a message, of the server and of the clients; PostgreSQL's are not among them. */
function spent(
  before: readonly [CpuTime, CpuTime],
  after: readonly [CpuTime, CpuTime],
  messages: number,
): string {
  const [server, clients] = after.map(({ thread, process }, i) => {
    const own = thread - before[i]!.thread
    return { thread: own / messages, rest: (process - before[i]!.process - own) / messages }
  })
  const us = (value: number) => value.toFixed(2)
  return `CPU a message: serving ${us(server!.thread)} µs, the rest of that process ${us(server!.rest)}, clients ${us(clients!.thread + clients!.rest)}`
}

const participant = () => issueToken(SECRET, { sub: 'ann', tenant: 'glavito', roles: ['participant'] }, 3600)

interface Memory {
  /** Without the young generation, which no socket holds. */
  readonly held: number
  readonly rss: number
}

/** KiB of resident memory that each of many idle, authenticated sockets adds to its server. */
async function memory(kind: 'ours' | 'bare', database: string, sockets: number): Promise<Memory> {
  const server = await startServer(kind, database, SECRET)
  const clients = await startClients()
  try {
    const token = await participant()
    // The first ones grow what is there for all of them.
    await clients.call({ do: 'connect', group: 'first', url: server.url, count: sockets / 2, token })
    const before = await server.call({ do: 'memory' })
    await clients.call({ do: 'connect', group: 'idle', url: server.url, count: sockets, token })
    const after = await server.call({ do: 'memory' })
    const each = (what: keyof Memory) => (Number(after[what]) - Number(before[what])) / sockets / 1024
    return { held: each('held'), rss: each('rss') }
  } finally {
    await Promise.all([clients.stop(), server.stop()])
  }
}
