/** Object ids of the element types (pg_type.dat). */
const OID = { bytea: 17, int4: 23, text: 25, uuid: 2950 } as const

const HYPHEN = 0x2d
/** The value of a hex digit by its character code. */
const DIGITS = new Uint8Array(256)
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  DIGITS[digit.charCodeAt(0)] = value
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value
}

/** A safe integer as int8; answers where it ends. */
export function writeInt64(buffer: Buffer, at: number, value: number): number {
  const low = buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at)
  return buffer.writeUInt32BE((value % 0x1_0000_0000) >>> 0, low)
}

/** A buffer that grows; integers are big-endian, as PostgreSQL's wire formats have them. */
export class BinaryWriter {
  #buffer: Buffer
  #at = 0

  /** `room`: bytes to begin with, or a buffer to write into, which is left behind when it becomes too small. */
  constructor(room: number | Buffer = 16_384) {
    this.#buffer = typeof room === 'number' ? Buffer.allocUnsafe(room) : room
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
    this.#at = writeInt64(this.#buffer, this.#at, value)
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
    this.#room(4 + value.length / 2)
    this.#at = this.#buffer.writeInt32BE(value.length / 2, this.#at)
    return this.#digits(value)
  }

  /** The 16 bytes of a UUID after their number. */
  uuid(value: string): this {
    this.#room(20)
    this.#at = this.#buffer.writeInt32BE(16, this.#at)
    return this.#digits(value)
  }

  /** Pairs of hex digits, hyphens between them passed over; quicker than the engine's own for texts so short. */
  #digits(value: string): this {
    const buffer = this.#buffer
    let at = this.#at
    for (let i = 0; i < value.length; i += 2) {
      let high = value.charCodeAt(i)
      if (high === HYPHEN) high = value.charCodeAt(++i)
      buffer[at++] = (DIGITS[high]! << 4) | DIGITS[value.charCodeAt(i + 1)]!
    }
    this.#at = at
    return this
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
