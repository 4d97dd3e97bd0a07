import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { comparePositions, type Position } from '../src/domain/position.ts'
import { streamName } from '../src/domain/stream.ts'
import { encode, type StreamPlace } from '../src/eventStore/codec.ts'
import type { EventStore } from '../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { readModels } from '../src/projections/readModels.ts'
import { createProjectionRunner } from '../src/projections/runner.ts'
import { type Ages, joinSessions, sendCommands } from './freshness/commands.ts'
import { prepareSessions, startServer } from './http/load.ts'
import { type BenchOptions, type BenchRow, benchPostgres, median, quantile } from './support.ts'

const TENANT = 'bench'
const TICK_MS = 5
const SESSIONS = 2000
const WATCHED = 400
/** Rounds that do not count: half a minute of load, as in `commands`. */
const WARM_UP = 6

/**
 * How old what is shown is. Over HTTP: milliseconds from the answer to a command until a query on another connection sees its row, and
 * until its event has come over a socket. And without HTTP, appends alone, the log and the projector in one process: until a query sees
 * the row, and until a wait for the position (`?after=`) ends. At a steady rate, whatever the answers take.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const rates = quick ? [100] : [2000, 1000]
  const seconds = quick ? 1 : 5
  const rounds = quick ? 1 : 5
  const postgres = await benchPostgres()
  try {
    const rows: BenchRow[] = []
    const database = await postgres.database()
    for (const perSecond of rates)
      rows.push(...(await overHttp(database, { perSecond, seconds, rounds, quick, log })))
    rows.push(
      ...(await appendsAlone(await postgres.database(), {
        perSecond: rates[0]!,
        seconds,
        rounds,
        quick,
        log,
      })),
    )
    return { rows }
  } finally {
    await postgres.stop()
  }
}

interface Offered {
  readonly perSecond: number
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
  readonly log: (line: string) => void
}

const most = (max: number, quick: boolean) => (quick ? {} : { target: { max } })
const spread = (values: readonly number[]) =>
  `p50/p99 ${quantile(values, 0.5).toFixed(1)}/${quantile(values, 0.99).toFixed(1)} ms`

async function overHttp(
  connectionString: string,
  { perSecond, seconds, rounds, quick, log }: Offered,
): Promise<BenchRow[]> {
  const server = await startServer('ours', connectionString)
  const watcher = new pg.Client({ connectionString })
  await watcher.connect()
  const sessions = await prepareSessions(server.url, quick ? 100 : SESSIONS)
  const every = sessions.length / (quick ? 20 : WATCHED)
  const sockets = await joinSessions(
    server,
    sessions.filter((_, n) => n % every === 0),
  )
  const found: Ages[] = []
  try {
    for (let round = quick ? 0 : 1 - WARM_UP; round <= rounds; round++) {
      const rowsSeen = watchRows(watcher)
      const ages = await sendCommands(server, sessions, { perSecond, seconds }, sockets, rowsSeen.seen)
      await rowsSeen.stop()
      log(
        `${Math.round(ages.perSecond)} commands/s: row ${spread(ages.row)}, frame ${spread(ages.frame)}, from sending ${spread(ages.frameFromSending)}`,
      )
      if (round > 0) found.push(ages)
    }
  } finally {
    sockets.close()
    await watcher.end()
    await server.stop()
  }
  const reached = median(found.map((ages) => ages.perSecond))
  const at =
    reached < 0.98 * perSecond
      ? `at ${perSecond} commands/s offered, of which ${Math.round(reached)} were reached`
      : `at ${perSecond} commands/s`
  const p99 = (of: 'row' | 'frame' | 'frameFromSending') =>
    median(found.map((ages) => quantile(ages[of], 0.99)))
  return [
    { name: `command → read model row ${at}, p99`, value: p99('row'), unit: 'ms', ...most(50, quick) },
    { name: `command → socket frame ${at}, p99`, value: p99('frame'), unit: 'ms', ...most(20, quick) },
    { name: 'the same from the sending of the command', value: p99('frameFromSending'), unit: 'ms' },
  ]
}

async function appendsAlone(
  connectionString: string,
  { perSecond, seconds, rounds: count, quick, log }: Offered,
): Promise<BenchRow[]> {
  const store = await createPostgresEventStore({ connectionString })
  const runner = createProjectionRunner({
    store,
    connectionString,
    projections: readModels,
    logger: { info() {}, warn: (details, message) => log(`${message}: ${JSON.stringify(details)}`) },
  })
  const watcher = new pg.Client({ connectionString })
  await watcher.connect()
  try {
    await runner.start()
    const sessions = await beginSessions(store, perSecond)
    const rounds: { row: number[]; wait: number[] } = { row: [], wait: [] }
    // Each is two of them.
    for (let round = quick ? 0 : 1 - WARM_UP / 2; round <= count; round++) {
      const row = await load(sessions, store, perSecond, seconds, watchRows(watcher))
      const wait = await load(sessions, store, perSecond, seconds, {
        seen: (position) => runner.waitFor('sessions', position, 10_000),
        stop: async () => {},
      })
      log(`appends alone: row ${spread(row)}, wait ${spread(wait)}`)
      if (round <= 0) continue
      rounds.row.push(quantile(row, 0.99))
      rounds.wait.push(quantile(wait, 0.99))
    }
    const at = `at ${perSecond} appends/s`
    return [
      {
        name: `append → read model row ${at}, p99`,
        value: median(rounds.row),
        unit: 'ms',
        ...most(50, quick),
      },
      {
        name: `append → end of a wait for it ${at}, p99`,
        value: median(rounds.wait),
        unit: 'ms',
        ...most(50, quick),
      },
    ]
  } finally {
    await runner.stop()
    await watcher.end()
    await store.close()
  }
}

interface Session {
  readonly stream: string
  place: StreamPlace
}

async function beginSessions(store: EventStore, count: number): Promise<Session[]> {
  const sessions: Session[] = Array.from({ length: count }, () => ({
    stream: streamName('session', TENANT, randomUUID()),
    place: 'no_stream',
  }))
  const data = { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {} }
  for (const session of sessions) await append(store, session, { type: 'SessionStarted', data })
  return sessions
}

async function append(
  store: EventStore,
  session: Session,
  event: { type: string; data: object },
): Promise<Position> {
  const id = randomUUID()
  const metadata = {
    tenant: TENANT,
    actor: { id: 'ada', role: 'participant' },
    commandId: id,
    commandHash: '0'.repeat(64),
    $correlationId: id,
    $causationId: id,
    occurredAt: new Date().toISOString(),
  }
  const events = encode(session.stream, [{ id, event, metadata }], session.place)
  const expected = session.place === 'no_stream' ? 'no_stream' : session.place.revision
  const result = await store.append(session.stream, events, expected)
  if (!result.ok) throw new Error('somebody else writes')
  session.place = { revision: result.revision, chain: events[0]!.metadata.chain }
  return result.position
}

/** Says when a position is seen. */
interface Watch {
  seen(position: Position): Promise<unknown>
  stop(): Promise<void>
}

/** Appends at a steady rate, whatever the answers take, and tells how long each position took to be seen. */
async function load(
  sessions: readonly Session[],
  store: EventStore,
  perSecond: number,
  seconds: number,
  watch: Watch,
): Promise<number[]> {
  const ages: number[] = []
  const under: Promise<void>[] = []
  const begun = performance.now()
  for (let sent = 0; sent < perSecond * seconds; ) {
    const due = Math.floor(((performance.now() - begun) / 1000) * perSecond)
    for (; sent < Math.min(due, perSecond * seconds); sent++) {
      const session = sessions[sent % sessions.length]!
      under.push(
        append(store, session, {
          type: 'StepCompleted',
          data: { stepId: `step_${sent % 11}`, data: { n: sent } },
        }).then(async (position) => {
          const acknowledged = performance.now()
          await watch.seen(position)
          ages.push(performance.now() - acknowledged)
        }),
      )
    }
    await delay(TICK_MS)
  }
  await Promise.all(under)
  await watch.stop()
  return ages
}

/** Asks the database over and over how far the sessions are, as a reader with a connection of its own would. */
function watchRows(client: pg.Client): Watch {
  let waiting: { position: Position; done: () => void }[] = []
  let stopped = false
  const watching = (async () => {
    while (!stopped) {
      const { rows } = await client.query({
        name: 'watch',
        text: `select min(position)::text as position from read.checkpoints where family = 'sessions' and status = 'live'`,
      })
      const left: typeof waiting = []
      for (const waiter of waiting)
        if (comparePositions(waiter.position, rows[0].position) <= 0) waiter.done()
        else left.push(waiter)
      waiting = left
      await delay(2)
    }
  })()
  return {
    seen: (position) => new Promise<void>((done) => waiting.push({ position, done })),
    async stop() {
      stopped = true
      await watching
    },
  }
}
