import { issueToken } from '../src/api/auth.ts'
import { createPostgresEventStore } from '../src/eventStore/postgres.ts'
import { answerBody, load, prepareSessions, SECRET, startServer } from './http/load.ts'
import { FLOW, fillLog } from './readModels/syntheticLog.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const CONNECTIONS = 32
const ANALYSTS = 4
/** Commands a second: what a busy service takes without being saturated, so that waiting is not its own doing. */
const RATE = 200

const steps = [0, 3, 7, 11, 15].map((step) => ({ step: `step_${step}` }))
const QUERIES: readonly (readonly [path: string, body: object])[] = [
  ['funnels/query', { flowId: FLOW, steps, window: 'P7D' }],
  ['funnels/query', { flowId: FLOW, steps, window: 'P7D', entry: 'any' }],
  [
    'retention/query',
    { flowId: FLOW, cohortBy: steps[0], returnBy: { any: true }, period: 'week', periods: 12 },
  ],
  ['funnels/time-to-convert', { flowId: FLOW, steps: steps.slice(0, 2) }],
  ['paths', { flowId: FLOW, from: steps[0], depth: 4 }],
]

/**
 * Whether analysis holds up commands: steps submitted at a steady rate, alone and while four analysts query without pause, each
 * the next question as soon as the last is answered. Service, database and clients share the machine.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const seconds = quick ? 2 : 10
  const rounds = quick ? 1 : 5
  const postgres = await benchPostgres()
  const database = await postgres.database()
  const store = await createPostgresEventStore({ connectionString: database })
  const events = await fillLog(store, quick ? 2000 : 50_000, log)
  await store.close()
  const server = await startServer('ours', database)
  try {
    const sessions = await prepareSessions(server.url, CONNECTIONS * 8)
    const commands = () =>
      load(server.url, {
        connections: CONNECTIONS,
        seconds,
        rate: RATE,
        requests: (connection) =>
          sessions.slice(connection * 8, (connection + 1) * 8).map((session, n) => ({
            method: 'PUT',
            path: `/onboarding/step/${session}/company`,
            body: answerBody(n),
          })),
      })
    const ask = await analyst(server.url)
    while (!(await ask(0))) log('the index is being filled')
    log(`${events} events in the index`)
    await commands()

    const alone: number[] = []
    const beside: number[] = []
    const rates: number[] = []
    for (let round = 0; round < rounds; round++) {
      alone.push(good(await commands()).p99)
      let over = false
      let answered = 0
      const analysts = Array.from({ length: ANALYSTS }, async (_, n) => {
        for (let i = n; !over; i++) if (await ask(i)) answered += 1
      })
      beside.push(good(await commands()).p99)
      over = true
      await Promise.all(analysts)
      rates.push(answered / seconds)
      log(`p99 alone ${alone.at(-1)} ms, beside ${beside.at(-1)} ms, ${rates.at(-1)} queries/s`)
    }
    const row = { name: `command p99 while ${ANALYSTS} analysts query`, value: median(beside), unit: 'ms' }
    return {
      rows: [
        compared({ ...row, target: { max: 2 } }, { name: 'without them', value: median(alone) }),
        { name: `queries answered meanwhile, ${events} events`, value: median(rates), unit: '/s' },
      ],
    }
  } finally {
    await server.stop()
    await postgres.stop()
  }
}

/** Asks one of the queries; answers whether it was answered. */
async function analyst(url: string): Promise<(n: number) => Promise<boolean>> {
  const token = await issueToken(SECRET, { tenant: 'bench', sub: 'ann', roles: ['analyst'] }, 3600)
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return async (n) => {
    const [path, body] = QUERIES[n % QUERIES.length]!
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${url}/analytics/${path}`, init)
    const text = await response.text()
    if (response.status !== 200 && response.status !== 503) throw new Error(text)
    return response.status === 200
  }
}

function good<Result extends { readonly failed: number }>(result: Result): Result {
  if (result.failed > 0) throw new Error(`${result.failed} commands failed`)
  return result
}
