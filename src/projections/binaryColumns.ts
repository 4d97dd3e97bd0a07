import { millisecondsOf } from '../domain/time.ts'
import { BinaryWriter } from '../eventStore/binaryArrays.ts'
import type { ColumnType } from './projection.ts'
import { requireFit, UnfitRow } from './rowCodec.ts'

interface BinaryColumn {
  /** Object id of the type (pg_type.dat). */
  readonly oid: number
  /** Writes the value after its length. */
  readonly write: (bytes: BinaryWriter, value: never) => void
}

/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_2000 = Date.UTC(2000, 0, 1)
const TRUE = Buffer.from([0, 0, 0, 1, 1])
const FALSE = Buffer.from([0, 0, 0, 1, 0])

/** The types whose binary form is simple; it costs either side half of what texts do. */
export const BINARY: Partial<Record<ColumnType, BinaryColumn>> = {
  text: { oid: 25, write: (bytes, value: string) => bytes.text(value) },
  json: { oid: 114, write: (bytes, value: unknown) => bytes.text(JSON.stringify(value)) },
  integer: { oid: 23, write: (bytes, value: number) => bytes.int32(4).int32(value) },
  bigint: { oid: 20, write: (bytes, value: number) => bytes.int32(8).int64(value) },
  boolean: { oid: 16, write: (bytes, value: boolean) => bytes.raw(value ? TRUE : FALSE) },
  timestamptz: { oid: 1184, write: (bytes, value: string) => bytes.int32(8).int64(microseconds(value)) },
}

let lastTime = ''
let lastMicroseconds = 0

/** The times of a row are often the same. */
function microseconds(time: string): number {
  if (time === lastTime) return lastMicroseconds
  const milliseconds = millisecondsOf(time)
  if (Number.isNaN(milliseconds)) throw new UnfitRow(`${time} is not a time`)
  lastTime = time
  lastMicroseconds = (milliseconds - EPOCH_2000) * 1000
  return lastMicroseconds
}

/** A column's values as a parameter that is an array, in binary (array_recv in arrayfuncs.c). @throws UnfitRow */
export function binaryArray(
  column: string,
  type: ColumnType,
  { oid, write }: BinaryColumn,
  values: readonly unknown[],
): Buffer {
  const bytes = new BinaryWriter(32 + values.length * 32)
  bytes.int32(values.length > 0 ? 1 : 0)
  bytes.int32(values.includes(null) ? 1 : 0)
  bytes.int32(oid)
  if (values.length > 0) bytes.int32(values.length).int32(1)
  for (const value of values) {
    if (value === null) {
      bytes.int32(-1)
      continue
    }
    requireFit(column, type, value)
    write(bytes, value as never)
  }
  return bytes.done()
}
