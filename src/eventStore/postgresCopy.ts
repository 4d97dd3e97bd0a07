import type pg from 'pg'
import { BinaryWriter, writeInt64 } from './binaryArrays.ts'
import { COPY_DATA, COPY_DONE, copyIn } from './copyIn.ts'
import { type GroupAnswer, type PendingAppend, type Run, reserveParameters } from './postgresGroup.ts'

const COPY = `copy log.events (position, stream, revision, id, recorded_at, chain, type, data, metadata)
  from stdin (format binary); commit`

/**
 * Appends a large group by COPY, which takes rows a page at a time. Everything is made before the lock is taken, but for the
 * positions, stream ids and times, which only the lock's holder knows and puts in; rows and commit then go out together, so that the
 * lock is held for one turn of this thread, which may be busy, and not for three. After an error the connection is in the middle
 * of something and must be thrown away.
 */
export async function copyGroup(
  client: pg.ClientBase,
  runs: readonly Run<PendingAppend>[],
): Promise<GroupAnswer> {
  const parameters = reserveParameters(runs)
  const prepared = prepareRows(client, runs)
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
    const accepted = runs.filter((_, index) => stream_ids[index] !== REFUSED)
    const own = accepted.length === runs.length ? prepared : prepareRows(client, accepted)
    const streams = stream_ids.filter((id) => id !== REFUSED).map(Number)
    complete(own, accepted, Number(base), streams, at)
    await copyIn(client, COPY, own.bytes)
  } else await client.query('commit')
  return { base: Number(base), actual, at }
}

const REFUSED = '0'

/**
 * Where the rows of each connection are made, one group's after the other's: those before have arrived by then. A new buffer for each would
 * wait for the collector, which does not hurry for what is outside of its heap.
 */
const rooms = new WeakMap<pg.ClientBase, Buffer>()
const ROOM_BYTES = 2_097_152

function roomFor(client: pg.ClientBase, size: number): Buffer {
  const kept = rooms.get(client)
  if (kept && kept.length >= size) return kept
  const made = Buffer.allocUnsafe(Math.max(size, ROOM_BYTES))
  rooms.set(client, made)
  return made
}

interface PreparedRows {
  readonly bytes: Buffer
  /** Where each row begins. */
  readonly rows: readonly number[]
}

/** Messages of COPY's binary format: a signature, then each row as its number of fields and each field after its length. */
function prepareRows(client: pg.ClientBase, runs: readonly Run<PendingAppend>[]): PreparedRows {
  let size = 64
  for (const { count, appends } of runs) {
    size += count * ROW_BYTES
    for (const { bytes } of appends) size += bytes
  }
  const writer = new BinaryWriter(roomFor(client, size))
  const rows: number[] = []
  writer.raw(HEAD).raw(SIGNATURE).int32(0).int32(0)
  for (const run of runs) {
    let revision = run.expected
    for (const append of run.appends)
      for (const event of append.events) {
        rows.push(writer.length)
        writer.int16(9)
        writer.int32(8).int64(0)
        writer.int32(8).int64(0)
        writer.int32(4).int32(++revision)
        writer.uuid(event.id)
        writer.int32(8).int64(0)
        writer.hex(event.chain)
        writer.text(event.type).text(event.data).text(event.metadata)
      }
  }
  const bytes = writer.int16(-1).raw(COPY_DONE).done()
  bytes.writeInt32BE(bytes.length - COPY_DONE.length - 1, 1)
  return { bytes, rows }
}

/** Puts in what was not known before: positions, streams, and when it was written. */
function complete(
  { bytes, rows }: PreparedRows,
  runs: readonly Run<PendingAppend>[],
  base: number,
  streams: readonly number[],
  at: Date,
): void {
  const recordedAt = (at.getTime() - EPOCH_2000) * 1000
  let position = base
  let row = 0
  runs.forEach(({ count }, index) => {
    const stream = streams[index]!
    for (const end = row + count; row < end; row++) {
      const start = rows[row]!
      writeInt64(bytes, start + POSITION, ++position)
      writeInt64(bytes, start + STREAM, stream)
      writeInt64(bytes, start + RECORDED_AT, recordedAt)
    }
  })
}

/** Of a row beside its data and metadata, with some room for what these have more bytes than characters. */
const ROW_BYTES = 256
/** Its length is put in when it is known. */
const HEAD = Buffer.from([COPY_DATA, 0, 0, 0, 0])
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** Where in a row these begin, behind the number of fields and the length of each before. */
const POSITION = 6
const STREAM = 18
const RECORDED_AT = 58
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_2000 = Date.UTC(2000, 0, 1)
