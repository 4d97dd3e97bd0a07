import pg from 'pg'
import { copyGroup } from './postgresCopy.ts'
import { appendParameters, type Group, type GroupAnswer, type PendingAppend } from './postgresGroup.ts'
import { WRITER_SETTINGS } from './postgresSchema.ts'

/** From here on COPY is the faster way in. */
const COPY_EVENTS = 400

/** A connection that appends, made anew after each that broke. */
export interface Writer {
  write(group: Group<PendingAppend>): Promise<GroupAnswer>
  use<T>(work: (client: pg.Client) => Promise<T>): Promise<T>
  /** Throws the connection away; the next use makes a new one. */
  reset(): void
  close(): Promise<void>
}

export function createWriter({
  connectionString,
  deadline,
}: {
  readonly connectionString: string
  /** Of an append, in milliseconds. */
  readonly deadline: number
}): Writer {
  let current: Promise<pg.Client> | undefined
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({
      connectionString,
      application_name: 'gangway: append',
      keepAlive: true,
      connectionTimeoutMillis: deadline / 3,
      // A server that fell silent: the outcome is unknown, and the group goes again.
      query_timeout: deadline / 3,
    })
    // The pending call fails by itself; without a listener the process would end.
    client.on('error', () => {})
    await client.connect()
    await client.query(WRITER_SETTINGS)
    // What nobody waits for any more must not be written later: a repeat may have been answered otherwise meanwhile.
    await client.query(`set statement_timeout = ${Math.ceil(deadline / 3)}`)
    return client
  }
  const use: Writer['use'] = async (work) => {
    current ??= connect()
    return work(await current)
  }
  const reset = () => {
    const client = current
    current = undefined
    client?.then((old) => old.connection.stream.destroy()).catch(() => {})
  }
  return {
    use,
    reset,
    write: (group) =>
      use(async (client) => {
        const events = group.runs.reduce((sum, { count }) => sum + count, 0)
        if (events >= COPY_EVENTS) return copyGroup(client, group.runs)
        const { rows } = await client.query({
          name: 'append',
          text: 'select base, actual, at from log.append_v2($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)',
          values: appendParameters(group.runs),
        })
        return { base: Number(rows[0].base), actual: rows[0].actual, at: rows[0].at ?? undefined }
      }),
    async close() {
      const client = await current?.catch(() => undefined)
      current = undefined
      await client?.end().catch(() => {})
    },
  }
}
