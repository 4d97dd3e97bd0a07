import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { BinaryWriter } from './binaryArrays.ts'
import { type GroupAnswer, type PendingAppend, type Run, reserveParameters } from './postgresGroup.ts'

const COPY = `copy log.events (position, stream, revision, id, recorded_at, chain, type, data, metadata)
  from stdin (format binary)`

/**
 * Appends a large group by COPY, which takes rows a page at a time. Everything is made before the lock is taken, but for the
 * positions and stream ids, which only the lock's holder knows. After an error the connection is in the middle of something and must
 * be thrown away.
 */
export async function copyGroup(
  client: pg.ClientBase,
  runs: readonly Run<PendingAppend>[],
): Promise<GroupAnswer> {
  const parameters = reserveParameters(runs)
  await client.query('begin')
  const { rows } = await client.query({
    name: 'reserve',
    text: 'select base, actual, stream_ids from log.reserve_v1($1,$2,$3)',
    values: parameters,
  })
  const at = new Date()
  const { base, actual, stream_ids } = rows[0] as {
    base: string | null
    actual: number[]
    stream_ids: string[]
  }
  if (base !== null) {
    const stream = client.query(copyFrom(COPY))
    // It fails a second time when the connection is thrown away: unheard, that would end the process.
    stream.on('error', () => {})
    stream.end(copyRows(runs, Number(base), stream_ids.map(Number), at))
    await once(stream, 'finish')
  }
  await client.query('commit')
  return { base: Number(base), actual, at }
}

/** COPY's binary format: a signature, then each row as its number of fields and each field after its length. */
function copyRows(
  runs: readonly Run<PendingAppend>[],
  base: number,
  streamIds: readonly number[],
  at: Date,
): Buffer {
  let size = 64
  for (const { count, appends } of runs) {
    size += count * ROW_BYTES
    for (const { bytes } of appends) size += bytes
  }
  const rows = new BinaryWriter(size)
  rows.raw(SIGNATURE).int32(0).int32(0)
  const recordedAt = at.getTime() - EPOCH_2000
  let position = base
  runs.forEach((run, index) => {
    const stream = streamIds[index]!
    if (stream === 0) return
    let revision = run.expected
    for (const append of run.appends)
      for (const event of append.events) {
        rows.int16(9)
        rows.int32(8).int64(++position)
        rows.int32(8).int64(stream)
        rows.int32(4).int32(++revision)
        rows.uuid(event.id)
        rows.int32(8).int64(recordedAt * 1000)
        rows.hex(event.chain)
        rows.text(event.type).text(event.data).text(event.metadata)
      }
  })
  return rows.int16(-1).done()
}

/** Of a row beside its data and metadata, with some room for what these have more bytes than characters. */
const ROW_BYTES = 256
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_2000 = Date.UTC(2000, 0, 1)
