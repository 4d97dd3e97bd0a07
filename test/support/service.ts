import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, readConfig } from '../../src/config.ts'
import { startService } from '../../src/service.ts'
import { createLogger } from '../../src/services/logger.ts'
import { Client } from './client.ts'
import { freshDatabase, type TestDatabase } from './database.ts'

export const JWT_SECRET = 'a secret that is only ever used by tests of the service'

export interface TestService {
  readonly url: string
  readonly config: Config
  readonly jwtSecret: string
  readonly connectionString: string
  /** A caller with these roles. */
  as(tenant: string, sub: string, ...roles: string[]): Promise<Client>
  stop(): Promise<void>
}

export interface TestServiceOptions {
  /** Shared with another node; a fresh one otherwise, dropped at the end. */
  readonly database?: Pick<TestDatabase, 'connectionString'>
  /** Kept from an earlier run; a fresh one otherwise, removed at the end. */
  readonly dataDir?: string
  readonly environment?: Readonly<Record<string, string>>
}

/**
 * The whole service on a real port and a real database. `EVENTSTORE_URL` in the environment puts its log into that EventStoreDB; tests
 * then need tenants of their own, since its log is not fresh.
 */
export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const fresh = options.database ? undefined : await freshDatabase()
  const connectionString = (options.database ?? fresh!).connectionString
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'gangway-service-')))
  const read = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: connectionString,
    JWT_SECRET,
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'error',
    RATE_LIMIT: '10000000',
    ...(process.env.EVENTSTORE_URL ? { EVENTSTORE_URL: process.env.EVENTSTORE_URL } : {}),
    ...options.environment,
  })
  if ('faults' in read) throw new Error(JSON.stringify(read.faults))
  const service = await startService(read.config, createLogger(read.config.logLevel))
  return {
    url: service.url,
    config: read.config,
    jwtSecret: JWT_SECRET,
    connectionString,
    as: (tenant, sub, ...roles) =>
      Client.as({ url: service.url, jwtSecret: JWT_SECRET }, tenant, sub, ...roles),
    async stop() {
      await service.stop()
      await fresh?.drop()
      if (!options.dataDir) await rm(dataDir, { recursive: true, force: true })
    },
  }
}
