import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { EventStore } from './eventStore/eventStore.ts'
import { createEventStoreDbEventStore } from './eventStore/eventStoreDb.ts'
import { createPostgresEventStore } from './eventStore/postgres.ts'
import { startEmbeddedPostgres } from './services/embeddedPostgres.ts'

/** The database and the log on it, as the configuration says: what the service and the commands of the terminal share. */
export interface OpenLog {
  readonly store: EventStore
  /** Of the read models, and of the events unless an EventStoreDB holds them. */
  readonly databaseUrl: string
  /** Whether the database is the embedded one. */
  readonly embedded: boolean
  close(): Promise<void>
}

export async function openLog(
  config: Pick<Config, 'dataDir' | 'databaseUrl' | 'eventStoreUrl'>,
  logger: Logger,
): Promise<OpenLog> {
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({
        dataDir: join(config.dataDir, 'postgres'),
        log: (line) => logger.info({ part: 'postgres' }, line),
      })
  const databaseUrl = config.databaseUrl ?? embedded!.connectionString
  try {
    const store = config.eventStoreUrl
      ? await createEventStoreDbEventStore({ connectionString: config.eventStoreUrl, logger })
      : await createPostgresEventStore({ connectionString: databaseUrl, logger })
    return {
      store,
      databaseUrl,
      embedded: embedded !== undefined,
      async close() {
        await store.close()
        await embedded?.stop()
      },
    }
  } catch (error) {
    await embedded?.stop()
    throw error
  }
}
