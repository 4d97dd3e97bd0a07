import { RAW_APPEND, startRawAppends } from './eventStoreDb.ts'
import { answerBody, load, prepareSessions, type Request, startServer } from './http/load.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const CONNECTIONS = 64
const { EVENTSTORE_URL } = process.env
const BARE = EVENTSTORE_URL ? RAW_APPEND : 'bare Fastify + one INSERT'
/** Rounds that do not count: half a minute of load for each contender, which is how long the engine goes on compiling. */
const WARM_UP = 6
const LEAST = EVENTSTORE_URL ? 0.9 : 1

/**
 * A step submitted over HTTP: the token checked, the body and the answer validated, decided, durable in the log with its chain, read
 * models following. Beside it a route that does one INSERT. Server, database and clients share the machine. With EVENTSTORE_URL the log is
 * there, and beside it the client of that server appending an event a time, as many at once, without HTTP.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const seconds = quick ? 1 : 5
  const rounds = quick ? 1 : 5
  const each = quick ? 4 : 32
  const postgres = await benchPostgres()
  const ours = await startServer('ours', await postgres.database())
  const bare = EVENTSTORE_URL
    ? startRawAppends(EVENTSTORE_URL)
    : await startServer('bare', await postgres.database())
  try {
    const sessions = await prepareSessions(ours.url, CONNECTIONS * each)
    const submit = (session: string, n: number): Request => ({
      method: 'PUT',
      path: `/onboarding/step/${session}/company`,
      body: answerBody(n),
    })
    const contenders = {
      distinct: () =>
        load(ours.url, {
          connections: CONNECTIONS,
          seconds,
          requests: (connection) =>
            sessions
              .slice(connection * each, (connection + 1) * each)
              .map((session, n) => submit(session, n)),
        }),
      bare: () =>
        'load' in bare
          ? bare.load(CONNECTIONS, seconds)
          : load(bare.url, {
              connections: CONNECTIONS,
              seconds,
              requests: (connection) => [{ method: 'POST', path: '/insert', body: answerBody(connection) }],
            }),
      hot: () =>
        load(ours.url, {
          connections: CONNECTIONS,
          seconds,
          requests: (connection) => [
            submit(sessions[0]!, connection),
            submit(sessions[0]!, connection + 100),
          ],
        }),
    }
    const results = { distinct: [], bare: [], hot: [] } as Record<
      keyof typeof contenders,
      Awaited<ReturnType<typeof load>>[]
    >
    // A service has been running for a while: what is run often is compiled over the first hundred thousand requests. All get the same.
    for (let round = quick ? 0 : 1 - WARM_UP; round <= rounds; round++)
      for (const name of Object.keys(contenders) as (keyof typeof contenders)[]) {
        const result = await contenders[name]()
        log(
          `${name}: ${Math.round(result.perSecond)}/s, p50 ${result.p50} ms, p99 ${result.p99} ms, failed ${result.failed}`,
        )
        if (round > 0) results[name].push(result)
      }
    const of = (name: keyof typeof contenders, measure: 'perSecond' | 'p99') =>
      median(results[name].map((result) => result[measure]))
    const failed = Object.values(results)
      .flat()
      .reduce((sum, result) => sum + result.failed, 0)
    return {
      rows: [
        compared(
          {
            name: `${EVENTSTORE_URL ? 'EventStoreDB: ' : ''}submit a step, 64 connections`,
            value: of('distinct', 'perSecond'),
            unit: '/s',
            target: { min: LEAST },
          },
          { name: BARE, value: of('bare', 'perSecond') },
        ),
        compared(
          {
            name: 'p99',
            value: of('distinct', 'p99'),
            unit: 'ms',
            ...(EVENTSTORE_URL ? {} : { target: { max: 1 } }),
          },
          { name: BARE, value: of('bare', 'p99') },
        ),
        { name: 'one hot session', value: of('hot', 'perSecond'), unit: '/s', target: { min: 1000 } },
        { name: 'p99 of the hot session', value: of('hot', 'p99'), unit: 'ms' },
        { name: 'not answered, or not with 2xx', value: failed, unit: 'requests', target: { max: 0 } },
      ],
    }
  } finally {
    await Promise.all([ours.stop(), bare.stop()])
    await postgres.stop()
  }
}
