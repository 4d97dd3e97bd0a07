import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { startEmbeddedPostgres } from './services/embeddedPostgres.ts'

/** The PostgreSQL that the configuration names, or the embedded one, running. */
export interface Database {
  readonly url: string
  readonly embedded: boolean
  close(): Promise<void>
}

/** Loads little, so that the embedded server can start while the rest of the service is being loaded. */
export async function openDatabase(
  { databaseUrl, dataDir }: Pick<Config, 'dataDir' | 'databaseUrl'>,
  logger: Logger,
): Promise<Database> {
  if (databaseUrl) return { url: databaseUrl, embedded: false, close: async () => {} }
  const postgres = await startEmbeddedPostgres({
    dataDir: join(dataDir, 'postgres'),
    log: (line) => logger.info({ part: 'postgres' }, line),
  })
  return { url: postgres.connectionString, embedded: true, close: postgres.stop }
}
