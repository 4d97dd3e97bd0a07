import type { StoredEvent } from '../domain/envelope.ts'
import { kept, metadataOf } from './storedEvent.ts'

/** The columns of an event without its stream's name, in the order in which they are read here. */
export const COPIED = 'position, stream, revision, id, recorded_at, chain, type, data, metadata'

/** Signature, flags, and the length of an extension that there never is. */
const HEADER_BYTES = 19
/** Where the fixed columns of a row begin, after the number of fields and the length of each. */
const POSITION = 6
const STREAM = 18
const REVISION = 30
const ID = 38
const RECORDED_AT = 58
const CHAIN = 70
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_2000 = Date.UTC(2000, 0, 1)

/**
 * Rows of the log as COPY writes them in its binary format (PostgreSQL's documentation, COPY, Binary Format), made events one after the other
 * as they are asked for: neither side writes numbers, ids, times and hashes as texts but where they are wanted.
 */
export class CopiedEvents {
  readonly #bytes: Buffer
  #at = HEADER_BYTES

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#bytes.readInt16BE(this.#at) < 0
  }

  /** The numbers of the streams that the rows left are of, each once for every row or run of rows. */
  streams(): number[] {
    const found: number[] = []
    let last = -1
    for (let at = this.#at; this.#bytes.readInt16BE(at) >= 0; at = this.#end(at)) {
      const stream = int8(this.#bytes, at + STREAM)
      if (stream !== last) found.push(stream)
      last = stream
    }
    return found
  }

  /** Passes one row over; answers its position. */
  skip(): string {
    const position = int8(this.#bytes, this.#at + POSITION)
    this.#at = this.#end(this.#at)
    return String(position)
  }

  /** Of the next row. */
  get stream(): number {
    return int8(this.#bytes, this.#at + STREAM)
  }

  take(stream: string): StoredEvent {
    const bytes = this.#bytes
    const row = this.#at
    const type = row + CHAIN + bytes.readInt32BE(row + CHAIN - 4) + 4
    const data = type + bytes.readInt32BE(type - 4) + 4
    const metadata = data + bytes.readInt32BE(data - 4) + 4
    const end = metadata + bytes.readInt32BE(metadata - 4)
    this.#at = end
    return {
      id: uuid(bytes.toString('hex', row + ID, row + ID + 16)),
      type: kept(bytes.toString('latin1', type, data - 4)),
      stream,
      revision: bytes.readInt32BE(row + REVISION),
      position: String(int8(bytes, row + POSITION)),
      data: JSON.parse(bytes.toString('utf8', data, metadata - 4)),
      metadata: metadataOf(
        bytes.toString('utf8', metadata, end),
        bytes.toString('hex', row + CHAIN, type - 4),
      ),
      recordedAt: isoOf(bytes.readInt32BE(row + RECORDED_AT), bytes.readUInt32BE(row + RECORDED_AT + 4)),
    }
  }

  #end(row: number): number {
    let at = row + CHAIN - 4
    for (let field = 0; field < 4; field++) at += 4 + this.#bytes.readInt32BE(at)
    return at
  }
}

/** A safe integer. */
function int8(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}

function uuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

let lastHigh = 0
let lastLow = 0
let lastIso = new Date(EPOCH_2000).toISOString()

/** What was appended together has the same time. */
function isoOf(high: number, low: number): string {
  if (high === lastHigh && low === lastLow) return lastIso
  lastHigh = high
  lastLow = low
  const microseconds = high * 0x1_0000_0000 + low
  lastIso = new Date(EPOCH_2000 + Math.floor(microseconds / 1000)).toISOString()
  return lastIso
}
