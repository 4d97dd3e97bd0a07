import type { BaseLogger } from 'pino'
import type { EventStore } from './eventStore.ts'
import { EventStoreUnavailable } from './eventStore.ts'
import { WholeLog } from './eventStoreDbAll.ts'
import { Appender } from './eventStoreDbAppend.ts'
import { Connection } from './eventStoreDbConnection.ts'
import { Follower } from './eventStoreDbFollow.ts'
import { readHeads, readStream } from './eventStoreDbRead.ts'
import { parseEventStoreDbUrl } from './eventStoreDbUrl.ts'

export interface EventStoreDbOptions {
  /** `esdb://`, `esdb+discover://` or `kurrentdb://`, with credentials and options as the client takes them. */
  readonly connectionString: string
  readonly logger?: BaseLogger
  /** Milliseconds after which an append whose outcome is still unknown, or a read that does not go on, throws; 10,000 unless told. */
  readonly deadlineMs?: number
  /** Milliseconds after which one try is given up and its client thrown away; a quarter of the deadline unless told. */
  readonly attemptMs?: number
  /** Silence after which a subscription is checked against the log's end, in milliseconds; 2,000 unless told. */
  readonly heartbeatMs?: number
}

/**
 * The log on EventStoreDB or KurrentDB, one node or a cluster. Positions are commit positions. Throws an Error for a connection string that
 * is wrong, and EventStoreUnavailable when no server answers within the deadline.
 */
export async function createEventStoreDbEventStore(options: EventStoreDbOptions): Promise<EventStore> {
  const { logger, deadlineMs = 10_000, heartbeatMs = 2_000 } = options
  const timing = { deadlineMs, attemptMs: options.attemptMs ?? Math.ceil(deadlineMs / 4) }
  const url = parseEventStoreDbUrl(options.connectionString)
  if (url.dropsCredentials) {
    logger?.warn({ hosts: url.hosts }, 'EventStoreDB: with tls=false the credentials are not sent')
  }
  const connection = new Connection(url, logger)
  const log = new WholeLog(connection, timing)
  const appender = new Appender(connection, timing)

  const store: EventStore = {
    engine: 'eventstoredb',
    append: (stream, events, expected) => appender.append(stream, events, expected),
    appendMany: (appends) => appender.appendMany(appends),
    read: (stream, readOptions) => readStream(connection, timing, stream, readOptions),
    heads: (streams) => readHeads(connection, timing, streams),
    readAll: (readOptions) => log.readAll(readOptions),
    follow: (followOptions) =>
      new Follower({ connection, log, logger }, { heartbeatMs }, followOptions).follow(),
    head: () => log.head(),
    ping: async () => {
      await log.end()
      await appender.probe()
    },
    close: async () => {
      connection.beginClosing()
      await appender.idle()
      await connection.close()
    },
  }
  try {
    await store.ping()
  } catch (error) {
    await connection.close()
    throw new EventStoreUnavailable(`EventStoreDB at ${url.hosts} does not answer`, { cause: error })
  }
  return store
}
