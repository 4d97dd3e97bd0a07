// A server of the HTTP benches in a process of its own: `ours`, the whole service, or `bare`, what nobody can be faster than by doing
// less: one statement by key for each request. Tells its parent where it answers, and ends with it.
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import pg from 'pg'
import type { Config, NodeRoles } from '../../src/config.ts'
import { startService } from '../../src/service.ts'
import { createLogger } from '../../src/services/logger.ts'

const [kind, connectionString, secret, dataDir, roles] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  NodeRoles,
]

process.on('disconnect', () => process.exit(0))
const url = kind === 'ours' ? await ours() : await bare()
process.send!({ url })

async function ours(): Promise<string> {
  const config: Config = {
    host: '127.0.0.1',
    port: 0,
    dataDir,
    databaseUrl: connectionString,
    jwtSecret: secret,
    jwtExpiresIn: 3600,
    rateLimit: 1_000_000_000,
    roles,
    drainSeconds: 0,
    logLevel: 'error',
    ...(process.env.EVENTSTORE_URL ? { eventStoreUrl: process.env.EVENTSTORE_URL } : {}),
  }
  const service = await startService(config, createLogger('error'))
  return service.url
}

async function bare(): Promise<string> {
  const pool = new pg.Pool({ connectionString, max: 16 })
  await pool.query(
    'create table if not exists bare (id bigint generated always as identity primary key, body json not null)',
  )
  const { rows } = await pool.query(
    `insert into bare (body) select '{"name":"row"}' from generate_series(1, 1000) returning id`,
  )
  const first = Number(rows[0].id)
  const app = fastify()
  app.post('/insert', async (request) => {
    const { rows } = await pool.query({
      name: 'insert',
      text: 'insert into bare (body) values ($1) returning id',
      values: [request.body],
    })
    return { id: rows[0].id }
  })
  app.get<{ Params: { n: string } }>('/row/:n', async (request) => {
    const { rows } = await pool.query({
      name: 'select',
      text: 'select body from bare where id = $1',
      values: [first + Number(request.params.n)],
    })
    return rows[0].body
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}
