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
import { type BenchOptions, type BenchRow, benchPostgres, median, quantile } from './support.ts'

const TENANT = 'bench'
const TICK_MS = 5

/**
 * How old the read models are: milliseconds from an append's acknowledgement until a query on another connection sees its row, and
 * until a wait for its position (`?after=`) ends, at a steady 2,000 appends a second to distinct sessions.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const perSecond = quick ? 200 : 2000
  const seconds = quick ? 1 : 8
  const postgres = await benchPostgres()
  const connectionString = await postgres.database()
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
    for (let round = 0; round <= (quick ? 1 : 5); round++) {
      const row = await load(sessions, store, perSecond, seconds, watchRows(watcher))
      const wait = await load(sessions, store, perSecond, seconds, {
        seen: (position) => runner.waitFor('sessions', position, 10_000),
        stop: async () => {},
      })
      log(
        `p50/p99 row ${quantile(row, 0.5).toFixed(1)}/${quantile(row, 0.99).toFixed(1)} ms, wait ${quantile(wait, 0.5).toFixed(1)}/${quantile(wait, 0.99).toFixed(1)} ms`,
      )
      if (round === 0) continue
      rounds.row.push(quantile(row, 0.99))
      rounds.wait.push(quantile(wait, 0.99))
    }
    const target = quick ? {} : { target: { max: 50 } }
    const at = `at ${perSecond} commands/s`
    return {
      rows: [
        {
          name: `append → read model row ${at}, p99`,
          value: median(rounds.row),
          unit: 'ms',
          ...target,
        },
        {
          name: `append → end of a wait for it ${at}, p99`,
          value: median(rounds.wait),
          unit: 'ms',
          ...target,
        },
      ],
    }
  } finally {
    await runner.stop()
    await watcher.end()
    await store.close()
    await postgres.stop()
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
        text: `select position::text from read.checkpoints where family = 'sessions' and status = 'live'`,
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
