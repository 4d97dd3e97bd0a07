import pg from 'pg'
import { issueToken } from '../src/api/auth.ts'
import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { repeatHistory } from './growth/repeatHistory.ts'
import { answerBody, load, prepareSessions, SECRET, type Server, startServer } from './http/load.ts'
import { FLOW, fillLog, TENANT } from './readModels/syntheticLog.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median, quantile } from './support.ts'

const CONNECTIONS = 64
/** Of those that only commands are sent to; each round writes to sessions of its own. */
const SESSIONS_A_CONNECTION = 16
const SECONDS = 5
/** Until then the engine still compiles. */
const WARM_UP_SECONDS = 20
const READS = 300
const EVENTS_A_SESSION = 21
const CAUGHT_UP_WITHIN_MS = 600_000

/** A log of some length with a service on it. */
interface Grown {
  readonly name: string
  readonly server: Server
  readonly perSecond: number[]
  readonly p99: number[]
  readonly statistics: number[]
}

/**
 * Commands and reads of statistics on logs of three lengths, in turn. The first million events goes through the log's own appends, with
 * their chains, and through projector and index; ten times as many are copies of these by SQL, which only the index reads. All is
 * measured once everything is caught up and vacuumed.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const appended = quick ? [2000] : [0, 1_000_000]
  const postgres = await benchPostgres()
  const grown: Grown[] = []
  let failed = 0
  try {
    for (const events of appended)
      grown.push(await grow(await postgres.database(), Math.max(events, 10 * EVENTS_A_SESSION), 1, log))
    grown.push(await grow(await postgres.database(), appended.at(-1)!, quick ? 2 : 10, log))
    log('measuring')
    for (let round = 0; round <= (quick ? 1 : 5); round++)
      for (const one of grown) {
        const sessions = await prepareSessions(one.server.url, CONNECTIONS * SESSIONS_A_CONNECTION)
        const result = await load(one.server.url, {
          connections: CONNECTIONS,
          seconds: quick ? 1 : round === 0 ? WARM_UP_SECONDS : SECONDS,
          requests: (connection) =>
            sessions
              .slice(connection * SESSIONS_A_CONNECTION, (connection + 1) * SESSIONS_A_CONNECTION)
              .map((session, n) => ({
                method: 'PUT',
                path: `/onboarding/step/${session}/company`,
                body: answerBody(n),
              })),
        })
        await caughtUp(one.server)
        const statistics = await readStatistics(one.server, quick ? 20 : READS)
        log(
          `${one.name}: ${Math.round(result.perSecond)} commands/s, p99 ${result.p99} ms, statistics ${statistics.toFixed(2)} ms, failed ${result.failed}`,
        )
        failed += result.failed
        if (round === 0) continue
        one.perSecond.push(result.perSecond)
        one.p99.push(result.p99)
        one.statistics.push(statistics)
      }
    log('measured')
  } finally {
    await Promise.all(grown.map(({ server }) => server.stop()))
    await postgres.stop()
  }
  const [empty, ...others] = grown
  const flat = quick ? {} : { target: { max: 1.2 } }
  const beside = (name: string, unit: string, of: 'perSecond' | 'p99' | 'statistics', target: object) =>
    others.map((one) =>
      compared(
        { name: `${name}, ${one.name} in the log`, value: median(one[of]), unit, ...target },
        { name: 'none', value: median(empty![of]) },
      ),
    )
  return {
    rows: [
      ...beside('commands', '/s', 'perSecond', quick ? {} : { target: { min: 0.9 } }),
      ...beside('p99 of a command', 'ms', 'p99', flat),
      ...beside('read of the statistics, p50', 'ms', 'statistics', flat),
      { name: 'not answered, or not with 2xx', value: failed, unit: 'requests', target: { max: 0 } },
    ],
  }
}

/** Appended by this process, projected and indexed by the service; then repeated while no service is there. */
async function grow(
  connectionString: string,
  events: number,
  times: number,
  log: (line: string) => void,
): Promise<Grown> {
  const begun = performance.now()
  const since = () => `${((performance.now() - begun) / 1000).toFixed(0)} s`
  let server = await startServer('ours', connectionString)
  const store = await createPostgresEventStore({ connectionString })
  let total = await fillLog(store, Math.round(events / EVENTS_A_SESSION))
  await store.close()
  log(`${total} events appended after ${since()}`)
  await caughtUp(server)
  log(`caught up after ${since()}`)
  if (times > 1) {
    await server.stop()
    total = await repeatHistory(connectionString, times)
    log(`${total} events after ${since()}`)
    server = await startServer('ours', connectionString)
    await caughtUp(server)
  }
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query('vacuum analyze')
  await client.query('checkpoint')
  await client.end()
  const name = `${total.toLocaleString('en')} events`
  log(`${name}: everything indexed and vacuumed after ${since()}`)
  return { name, server, perSecond: [], p99: [], statistics: [] }
}

/** Waits until read models and analysis index hold everything. */
async function caughtUp(server: Server): Promise<void> {
  const deadline = Date.now() + CAUGHT_UP_WITHIN_MS
  for (;;) {
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    const lags = [...metrics.matchAll(/^gangway_projection_lag_events\{.*\} (\d+)$/gm)].map(([, lag]) =>
      Number(lag),
    )
    if (lags.length > 1 && lags.every((lag) => lag === 0)) return
    if (Date.now() > deadline) throw new Error(`not caught up: ${lags.join(', ')} events behind`)
    await new Promise((done) => setTimeout(done, 200))
  }
}

/** Milliseconds of a read, the median of many, one after the other. */
async function readStatistics(server: Server, reads: number): Promise<number> {
  const token = await issueToken(SECRET, { tenant: TENANT, sub: 'bob', roles: ['analyst'] }, 3600)
  const took: number[] = []
  for (let n = 0; n < reads; n++) {
    const begun = performance.now()
    const answer = await fetch(`${server.url}/onboarding/statistics?flowId=${FLOW}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const { steps } = (await answer.json()) as { steps?: unknown[] }
    if (!steps?.length) throw new Error(`no statistics: ${answer.status}`)
    took.push(performance.now() - begun)
  }
  return quantile(took, 0.5)
}
