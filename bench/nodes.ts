import type { NodeRoles } from '../src/config.ts'
import { answerBody, load, prepareSessions, type Server, startServer } from './http/load.ts'
import { type BenchOptions, type BenchRow, benchPostgres, compared, median } from './support.ts'

const CONNECTIONS = 64
const SESSIONS_A_CONNECTION = 32
const ONE = 'one process that does everything'

/** Nodes on one database: those that take requests, and those that only project. */
interface Group {
  readonly name: string
  readonly nodes: readonly NodeRoles[]
}

const groups: readonly Group[] = [
  { name: ONE, nodes: ['all'] },
  { name: 'one API process and a projector', nodes: ['api', 'projector'] },
  { name: 'two API processes and a projector', nodes: ['api', 'api', 'projector'] },
  { name: 'two processes that do everything', nodes: ['all', 'all'] },
]

/**
 * Steps submitted over HTTP to one and to two processes on one log, the connections shared out among them. Processes, PostgreSQL and
 * clients share the machine: on two processors this shows what a further process costs and takes over, not how far it goes.
 */
export async function run({ quick, log }: BenchOptions): Promise<{ rows: BenchRow[] }> {
  const seconds = quick ? 1 : 5
  const postgres = await benchPostgres()
  const running: { group: Group; all: Server[]; front: Server[]; perSecond: number[]; p99: number[] }[] = []
  let failed = 0
  try {
    for (const group of quick ? groups.slice(3) : groups) {
      const database = await postgres.database()
      const all: Server[] = []
      for (const roles of group.nodes) all.push(await startServer('ours', database, roles))
      const front = all.filter((_, n) => group.nodes[n] !== 'projector')
      running.push({ group, all, front, perSecond: [], p99: [] })
    }
    for (let round = 0; round <= (quick ? 1 : 5); round++)
      for (const { group, front, perSecond, p99 } of running) {
        const connections = CONNECTIONS / front.length
        const results = await Promise.all(
          front.map(async (server) => {
            const each = quick ? 4 : SESSIONS_A_CONNECTION
            const sessions = await prepareSessions(server.url, connections * each)
            return { server, sessions, each }
          }),
        ).then((prepared) =>
          Promise.all(
            prepared.map(({ server, sessions, each }) =>
              load(server.url, {
                connections,
                seconds,
                requests: (connection) =>
                  sessions.slice(connection * each, (connection + 1) * each).map((session, n) => ({
                    method: 'PUT',
                    path: `/onboarding/step/${session}/company`,
                    body: answerBody(n),
                  })),
              }),
            ),
          ),
        )
        const rate = results.reduce((sum, result) => sum + result.perSecond, 0)
        const worst = Math.max(...results.map((result) => result.p99))
        const lost = results.reduce((sum, result) => sum + result.failed, 0)
        log(`${group.name}: ${Math.round(rate)}/s, p99 ${worst} ms, failed ${lost}`)
        failed += lost
        if (round === 0) continue
        perSecond.push(rate)
        p99.push(worst)
      }
  } finally {
    await Promise.all(running.flatMap(({ all }) => all.map((server) => server.stop())))
    await postgres.stop()
  }
  const [first, ...others] = running
  return {
    rows: [
      { name: `commands, ${first!.group.name}`, value: median(first!.perSecond), unit: '/s' },
      ...others.map(({ group, perSecond }) =>
        compared(
          { name: `commands, ${group.name}`, value: median(perSecond), unit: '/s' },
          { name: ONE, value: median(first!.perSecond) },
        ),
      ),
      ...running.map(({ group, p99 }) => ({ name: `p99, ${group.name}`, value: median(p99), unit: 'ms' })),
      { name: 'not answered, or not with 2xx', value: failed, unit: 'requests', target: { max: 0 } },
    ],
  }
}
