import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { type Database, openDatabase } from './database.ts'
import type { EventStore } from './eventStore/eventStore.ts'
import { createPostgresEventStore } from './eventStore/postgres.ts'

/** The database and the log on it, as the configuration says: what the service and the commands of the terminal share. */
export interface OpenLog {
  readonly store: EventStore
  /** Of the read models, and of the events unless an EventStoreDB holds them. */
  readonly databaseUrl: string
  /** Whether the database is the embedded one. */
  readonly embedded: boolean
  close(): Promise<void>
}

/** `database`: one that is being opened already. */
export async function openLog(
  config: Pick<Config, 'dataDir' | 'databaseUrl' | 'eventStoreUrl'>,
  logger: Logger,
  database: Promise<Database> = openDatabase(config, logger),
): Promise<OpenLog> {
  const { url: databaseUrl, embedded, close } = await database
  try {
    const store = config.eventStoreUrl
      ? await openEventStoreDb(config.eventStoreUrl, logger)
      : await createPostgresEventStore({ connectionString: databaseUrl, logger })
    return {
      store,
      databaseUrl,
      embedded,
      async close() {
        await store.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Its client takes a while to load: only where it is used. */
async function openEventStoreDb(connectionString: string, logger: Logger): Promise<EventStore> {
  const { createEventStoreDbEventStore } = await import('./eventStore/eventStoreDb.ts')
  return createEventStoreDbEventStore({ connectionString, logger })
}
