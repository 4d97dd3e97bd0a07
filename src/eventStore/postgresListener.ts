import pg from 'pg'
import type { Position } from '../domain/position.ts'
import { backoff } from './postgresErrors.ts'
import { CHANNEL } from './postgresSchema.ts'

interface ListenerOptions {
  readonly connectionString: string
  readonly wanted: () => boolean
  /** From here on nothing is missed while the connection lives. */
  readonly onListening: () => void
  /** The log has come to this position. */
  readonly onNotice: (position: Position) => void
  readonly onTrouble: (error: Error) => void
}

/** The connection may die without a word: it is asked so often, and has so long to answer, before it is made anew. */
const ASK_MS = 2000
const PATIENCE_MS = 3000

/** Hears how far the log is, over one connection after another. */
export function createListener(options: ListenerOptions) {
  const { wanted } = options
  let listening: pg.Client | undefined
  return {
    /** Listens for as long as that is wanted. */
    async listen(): Promise<void> {
      for (let attempt = 0; wanted(); attempt++) {
        const client = new pg.Client({
          connectionString: options.connectionString,
          application_name: 'gangway: follow',
          keepAlive: true,
          connectionTimeoutMillis: 5000,
          query_timeout: PATIENCE_MS,
        })
        let asking: NodeJS.Timeout | undefined
        const ended = new Promise<void>((done) => client.once('end', done))
        client.on('error', () => {})
        client.on('notification', ({ payload = '0' }) => options.onNotice(payload))
        try {
          await client.connect()
          await client.query(`listen ${CHANNEL}`)
          listening = client
          attempt = 0
          asking = setInterval(() => client.query('select').catch(() => drop(client)), ASK_MS)
          asking.unref()
          options.onListening()
          if (wanted()) await ended
        } catch (error) {
          options.onTrouble(error as Error)
        }
        listening = undefined
        clearInterval(asking)
        drop(client)
        if (wanted()) await new Promise((done) => setTimeout(done, backoff(attempt)))
      }
    },
    /** Ends the connection that listens, if one does. */
    drop(): void {
      if (listening) drop(listening)
    },
  }
}

/** Without a goodbye, which nobody might answer. */
const drop = (client: pg.Client) => client.connection.stream.destroy()
