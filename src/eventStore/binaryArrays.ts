/** Object ids of the element types (pg_type.dat). */
const OID = { bytea: 17, int4: 23, text: 25, uuid: 2950 } as const

/** A buffer that grows; integers are big-endian, as PostgreSQL's wire formats have them. */
export class BinaryWriter {
  #buffer: Buffer
  #at = 0

  constructor(size = 16_384) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  get length(): number {
    return this.#at
  }

  int16(value: number): this {
    this.#room(2)
    this.#at = this.#buffer.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#room(4)
    this.#at = this.#buffer.writeInt32BE(value, this.#at)
    return this
  }

  /** A safe integer as int8. */
  int64(value: number): this {
    this.#room(8)
    this.#at = this.#buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), this.#at)
    this.#at = this.#buffer.writeUInt32BE((value % 0x1_0000_0000) >>> 0, this.#at)
    return this
  }

  /** UTF-8 after its length in bytes. */
  text(value: string): this {
    // At most three bytes a UTF-16 unit.
    this.#room(4 + value.length * 3)
    const bytes = this.#buffer.write(value, this.#at + 4, 'utf8')
    this.#buffer.writeInt32BE(bytes, this.#at)
    this.#at += 4 + bytes
    return this
  }

  /** The bytes of a hex text after their number. */
  hex(value: string): this {
    this.#room(4 + value.length)
    const bytes = this.#buffer.write(value, this.#at + 4, 'hex')
    this.#buffer.writeInt32BE(bytes, this.#at)
    this.#at += 4 + bytes
    return this
  }

  uuid(value: string): this {
    return this.hex(value.replaceAll('-', ''))
  }

  raw(bytes: Buffer): this {
    this.#room(bytes.length)
    bytes.copy(this.#buffer, this.#at)
    this.#at += bytes.length
    return this
  }

  /** What was written; the writer must not be used afterwards. */
  done(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

/**
 * A one-dimensional array without nulls in PostgreSQL's binary format (array_recv in arrayfuncs.c), which costs neither side the
 * quoting that the text format needs.
 */
function binaryArray<T>(
  element: keyof typeof OID,
  values: readonly T[],
  write: (writer: BinaryWriter, value: T) => void,
): Buffer {
  const writer = new BinaryWriter(20 + values.length * 24)
  writer
    .int32(values.length > 0 ? 1 : 0)
    .int32(0)
    .int32(OID[element])
  if (values.length > 0) writer.int32(values.length).int32(1)
  for (const value of values) write(writer, value)
  return writer.done()
}

export const int4Array = (values: readonly number[]): Buffer =>
  binaryArray('int4', values, (writer, value) => writer.int32(4).int32(value))
export const textArray = (values: readonly string[]): Buffer =>
  binaryArray('text', values, (writer, value) => writer.text(value))
export const uuidArray = (values: readonly string[]): Buffer =>
  binaryArray('uuid', values, (writer, value) => writer.uuid(value))
export const hexArray = (values: readonly string[]): Buffer =>
  binaryArray('bytea', values, (writer, value) => writer.hex(value))
