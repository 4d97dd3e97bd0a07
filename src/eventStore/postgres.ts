import { createPool } from '../postgresPool.ts'
import { copyOut } from './copyOut.ts'
import { type EventStore, EventStoreUnavailable } from './eventStore.ts'
import { createAppender } from './postgresAppend.ts'
import { isPassing, retrying } from './postgresErrors.ts'
import { follow } from './postgresFollow.ts'
import {
  head,
  heads,
  isBroad,
  type PageOptions,
  type Query,
  readLog,
  readPage,
  readStream,
} from './postgresRead.ts'
import { createSchema } from './postgresSchema.ts'
import { readStretches, type StretchSource } from './postgresStretch.ts'
import { createTail } from './postgresTail.ts'

export interface PostgresEventStoreOptions {
  readonly connectionString: string
  readonly logger?: { warn(details: object, message: string): void }
  /** Milliseconds within which an append or a read answers or fails. */
  readonly deadline?: number
  /** Groups of appends on their way at a time. */
  readonly writers?: number
}

/**
 * The log in PostgreSQL (14 or later), in the schema `log`. Positions are given under one lock, so that they have no gaps and are
 * the order of commits; what that costs, group commit pays back. Any number of processes may use one database.
 */
export async function createPostgresEventStore(options: PostgresEventStoreOptions): Promise<EventStore> {
  const { connectionString, logger, deadline = 10_000, writers = 2 } = options
  const closed = new AbortController()
  const onTrouble = (error: Error) => logger?.warn({ err: error }, 'The log is out of reach and tried again')
  const pool = createPool(
    {
      connectionString,
      max: 10,
      application_name: 'gangway: read',
      connectionTimeoutMillis: deadline,
      query_timeout: deadline,
    },
    onTrouble,
  )
  const untilDeadline = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await retrying(performance.now() + deadline, work, closed.signal)
    } catch (error) {
      if (!isPassing(error) && !closed.signal.aborted) throw error
      throw new EventStoreUnavailable('The log cannot be read', { cause: error })
    }
  }
  /** For who follows: there is no deadline but the end. */
  const untilClosed = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    let told = false
    return retrying(
      Number.POSITIVE_INFINITY,
      async () => {
        try {
          return await work()
        } catch (error) {
          if (!told) onTrouble(error as Error)
          told = true
          throw error
        }
      },
      signal,
    )
  }
  const once: Query = async (config) => (await pool.query(config)) as unknown as { rows: string[][] }
  const query: Query = (config) => untilDeadline(() => once(config))
  const copyOnce: StretchSource['copy'] = (text, size) => copyOut(pool, text, size)
  const source: StretchSource = {
    query,
    copy: (text, size) => untilDeadline(() => copyOnce(text, size)),
  }

  await untilDeadline(async () => {
    const client = await pool.connect()
    let fault: Error | undefined
    try {
      await createSchema(client)
    } catch (error) {
      fault = error as Error
      throw error
    } finally {
      client.release(fault)
    }
  })

  const tail = createTail({
    connectionString,
    head: () => head(once),
    readAfter: async (from, expected) => {
      if (expected > WORTH_A_COPY) {
        const to = String(Number(from) + Math.min(expected, TAIL_PAGE))
        const read = readStretches(
          { query: once, copy: copyOnce },
          { from, to, pageSize: TAIL_PAGE, lean: true },
        )
        for await (const { events, through } of read)
          return { events, through, more: expected > events.length }
      }
      // Positions are given in the order of commits without gaps: what is there is all there is up to its last.
      const { events } = await readPage(once, { from, to: MAX_POSITION, limit: TAIL_PAGE })
      return { events, through: events.at(-1)?.position ?? from, more: events.length === TAIL_PAGE }
    },
    expecting: () => appender.busy,
    onTrouble,
  })
  const appender = createAppender({
    connectionString,
    deadline,
    writers,
    onCommitted: ({ base, through, events }) =>
      events ? tail.appended(base, through, events) : tail.wake(through),
    onTrouble,
  })

  return {
    engine: 'postgres',
    append: appender.append,
    appendMany: (appends) =>
      Promise.all(appends.map(({ stream, events, expected }) => appender.append(stream, events, expected))),
    read: (stream, readOptions) => readStream(query, stream, readOptions),
    heads: (streams) => heads(query, streams),
    readAll: (readOptions) => readLog(source, readOptions),
    follow(followOptions) {
      const signal = AbortSignal.any([followOptions.signal, closed.signal])
      return follow(
        {
          tail,
          head: () => untilClosed(signal, () => head(once)),
          readPage: (page: PageOptions) => untilClosed(signal, () => readPage(once, page)),
          isBroad: (filter) => untilClosed(signal, () => isBroad(once, filter)),
          readStretches: (range) =>
            readStretches(
              {
                query: (config) => untilClosed(signal, () => once(config)),
                copy: (text, size) => untilClosed(signal, () => copyOnce(text, size)),
              },
              range,
            ),
        },
        { ...followOptions, signal },
      )
    },
    head: () => head(query),
    async ping() {
      try {
        // The counter can be locked: the log takes appends, not only questions.
        await once({ text: 'select from log.counter for key share', rowMode: 'array' })
      } catch (error) {
        throw new EventStoreUnavailable('The log does not answer', { cause: error })
      }
    },
    async close() {
      if (closed.signal.aborted) return
      await appender.close()
      closed.abort()
      await tail.close()
      await pool.end()
    },
  }
}

const TAIL_PAGE = 1000
/** So many events cost less in a statement of their own that nobody prepared. */
const WORTH_A_COPY = 200
const MAX_POSITION = '9223372036854775807'
