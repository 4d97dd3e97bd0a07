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
  close(): Promise<void>
}

export async function connect(connectionString: string, who: string): Promise<Connections> {
  const lost = new AbortController()
  const open = async () => {
    const client = new pg.Client({
      connectionString,
      application_name: `gangway: ${who}`,
      keepAlive: true,
      connectionTimeoutMillis: 5000,
    })
    client.on('error', () => lost.abort())
    client.on('end', () => lost.abort())
    await client.connect()
    await prepareClient(client)
    return client
  }
  const opened = await Promise.allSettled([open(), open(), open()])
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
  return { writer, reader, control, lost: lost.signal, close }
}
