import { finished } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'

const COLUMNS = 'position, stream, revision, id, recorded_at, chain, type, data, metadata'
/** Bytes a write. */
const PORTION = 262_144

/** The log's own rows, and a table with its columns and nothing else to copy them into: no key, no index, no check. */
export interface BareTable {
  /**
   * Copies the rows of the log after a position up to another, made ready beforehand, and answers in how many seconds, commit
   * included. `text` is what COPY takes unless told otherwise.
   */
  copy(after: number, to: number, format: 'text' | 'binary'): Promise<number>
  close(): Promise<void>
}

export async function createBareTable(log: string, elsewhere: string): Promise<BareTable> {
  const source = new pg.Client({ connectionString: log })
  const target = new pg.Client({ connectionString: elsewhere })
  await Promise.all([source.connect(), target.connect()])
  await target.query(`create table bare (
    position bigint, stream bigint, revision integer, id uuid, recorded_at timestamptz, chain bytea,
    type text, data text, metadata text)`)
  return {
    async copy(after, to, format) {
      const portions: Buffer[] = []
      const rows = source.query(
        copyTo(
          `copy (select ${COLUMNS} from log.events where position > ${after} and position <= ${to} order by position) to stdout (format ${format})`,
        ),
      )
      for await (const portion of rows) portions.push(portion as Buffer)
      const bytes = Buffer.concat(portions)
      const begun = performance.now()
      const copying = target.query(copyFrom(`copy bare (${COLUMNS}) from stdin (format ${format})`))
      for (let at = 0; at < bytes.length; at += PORTION)
        if (!copying.write(bytes.subarray(at, at + PORTION)))
          await new Promise((go) => copying.once('drain', go))
      copying.end()
      await finished(copying)
      return (performance.now() - begun) / 1000
    },
    async close() {
      await Promise.all([source.end(), target.end()])
    },
  }
}
