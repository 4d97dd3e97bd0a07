import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { pino } from 'pino'
import { buildApp } from '../../src/api/app.ts'
import { createTokenVerifier } from '../../src/api/auth.ts'
import type { AppDependencies } from '../../src/api/dependencies.ts'
import { createCommandKeys } from '../../src/commands/commandKeys.ts'
import { createFlows } from '../../src/commands/flows.ts'
import { createHandle } from '../../src/commands/handle.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { readModelAliases, readModels } from '../../src/projections/readModels.ts'
import { createProjectionRunner } from '../../src/projections/runner.ts'
import { createMetrics } from '../../src/services/metrics.ts'
import { Client } from './client.ts'

export const jwtSecret = 'a secret that is only ever used in tests'

export interface ApiNode {
  readonly url: string
  readonly jwtSecret: string
  readonly deps: AppDependencies
  client(tenant: string, sub: string, ...roles: string[]): Promise<Client>
  stop(): Promise<void>
}

/** The HTTP service with its read models on a real port and a real database; any part may be another. */
export async function startApiNode(
  connectionString: string,
  more: Partial<AppDependencies> = {},
): Promise<ApiNode> {
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' })
  const store = await createPostgresEventStore({ connectionString, logger })
  const pool = new pg.Pool({ connectionString, max: 4 })
  pool.on('error', () => {})
  const commandKeys = await createCommandKeys({ connectionString, relaxed: true })
  const metrics = createMetrics()
  const runner = createProjectionRunner({
    store,
    connectionString,
    projections: readModels,
    aliases: readModelAliases,
    logger,
  })
  await runner.start()
  metrics.watchProjections(() => runner.status())
  const deps: AppDependencies = {
    config: {},
    store,
    handle: createHandle({ store, commandKeys, metrics }),
    flows: createFlows(store),
    pool,
    readModels: runner,
    verifyToken: createTokenVerifier({ jwtSecret }),
    logger,
    metrics,
    now: () => new Date(),
    ...more,
  }
  const app = await buildApp(deps)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  return {
    url,
    jwtSecret,
    deps,
    client: (tenant, sub, ...roles) => Client.as({ url, jwtSecret }, tenant, sub, ...roles),
    async stop() {
      await app.close()
      await runner.stop()
      await Promise.all([store.close(), commandKeys.close(), pool.end()])
    },
  }
}
