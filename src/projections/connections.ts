import pg from 'pg'
import { prepareClient } from './prepareClient.ts'

/** The connections of one runner or rebuild; see `prepareClient`. Whoever asks gets them prepared. */
export interface Connections {
  readonly writer: pg.Client
  readonly reader: pg.Client
  /** For leases and small questions, beside whatever the others do. */
  readonly control: pg.Client
  /** Aborts when one of them is lost. */
  readonly lost: AbortSignal
  /** Gives all of them up: what is under way on them fails. */
  lose(): void
  close(): Promise<void>
}

const CONTROL_PATIENCE_MS = 5000

export async function connect(connectionString: string, who: string): Promise<Connections> {
  const lost = new AbortController()
  /** `patience`: milliseconds after which a call has failed, the connection being dead without a word. */
  const open = async (patience?: number) => {
    const client = new pg.Client({
      connectionString,
      application_name: `gangway: ${who}`,
      keepAlive: true,
      connectionTimeoutMillis: 5000,
      ...(patience !== undefined && { query_timeout: patience }),
    })
    client.on('error', () => lost.abort())
    client.on('end', () => lost.abort())
    await client.connect()
    await prepareClient(client)
    return client
  }
  const opened = await Promise.allSettled([open(), open(), open(CONTROL_PATIENCE_MS)])
  const clients = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const close = async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => {})))
  }
  const failed = opened.find((result) => result.status === 'rejected')
  if (failed) {
    await close()
    throw failed.reason
  }
  const [writer, reader, control] = clients as [pg.Client, pg.Client, pg.Client]
  const lose = () => {
    lost.abort()
    for (const client of clients) client.connection.stream.destroy()
  }
  return { writer, reader, control, lost: lost.signal, lose, close }
}
