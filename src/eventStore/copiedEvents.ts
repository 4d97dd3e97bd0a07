import type { StoredEvent } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'
import { readLean, wholeMetadata } from './leanMetadata.ts'
import { kept, lastFrame, metadataOf } from './storedEvent.ts'

/** The columns of an event without its stream's name, in the order in which they are read here. */
export const COPIED = 'position, stream, revision, id, recorded_at, chain, type, data, metadata'

/** Signature, flags, and the length of an extension that there never is. */
const HEADER_BYTES = 19
/** Of the length that stands before each field. */
const LENGTH_BYTES = 4
/** Where the fixed columns of a row begin, after the number of fields and the length of each. */
const POSITION = 6
const STREAM = 18
const REVISION = 30
const ID = 38
const RECORDED_AT = 58
const CHAIN = 70
const TYPE = 106
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

  /** The numbers of the streams that the rows left are of, one for each run of rows. */
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

  /** Of the next row. */
  get stream(): number {
    return int8(this.#bytes, this.#at + STREAM)
  }

  /** Of the next row. */
  get position(): number {
    return int8(this.#bytes, this.#at + POSITION)
  }

  skip(): void {
    this.#at = this.#end(this.#at)
  }

  /** The next event, whole. */
  take(stream: string): StoredEvent {
    const { id, type, revision, position, data, metadata, recordedAt } = this.takeLean(stream)
    return { id, type, stream, revision, position, data, metadata: wholeMetadata(metadata), recordedAt }
  }

  /** The next event for who hardly looks at it. */
  takeLean(stream: string): StoredEvent {
    const bytes = this.#bytes
    const row = this.#at
    const data = nextField(bytes, row + TYPE)
    const metadata = nextField(bytes, data)
    const end = nextField(bytes, metadata) - LENGTH_BYTES
    this.#at = end
    return new CopiedEvent(bytes, row, stream, data, metadata, end)
  }

  #end(row: number): number {
    const bytes = this.#bytes
    const metadata = nextField(bytes, nextField(bytes, row + TYPE))
    return nextField(bytes, metadata) - LENGTH_BYTES
  }
}

/**
 * An event that makes its id, its place in the log and most of its metadata out of the row when it is asked for them, which those who follow
 * the log hardly do. It keeps the stretch that it came with for as long as it is kept itself, and what is copied out of it
 * (`{ ...event }`) lacks those.
 */
class CopiedEvent implements StoredEvent {
  readonly type: string
  readonly stream: string
  readonly revision: number
  readonly data: JsonObject
  readonly metadata: StoredEvent['metadata']
  readonly recordedAt: string
  readonly #bytes: Buffer
  readonly #row: number

  constructor(bytes: Buffer, row: number, stream: string, data: number, metadata: number, end: number) {
    this.type = typeOf(bytes, row + TYPE, data - 4)
    this.stream = stream
    this.revision = bytes.readInt32BE(row + REVISION)
    this.data = JSON.parse(bytes.toString('utf8', data, metadata - 4))
    this.metadata =
      readLean(bytes, metadata, end, row + CHAIN, lastFrame()) ??
      metadataOf(bytes.toString('utf8', metadata, end), bytes.toString('hex', row + CHAIN, row + CHAIN + 32))
    this.recordedAt = isoOf(bytes.readInt32BE(row + RECORDED_AT), bytes.readUInt32BE(row + RECORDED_AT + 4))
    this.#bytes = bytes
    this.#row = row
  }

  get id(): string {
    const hex = this.#bytes.toString('hex', this.#row + ID, this.#row + ID + 16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  get position(): string {
    return String(int8(this.#bytes, this.#row + POSITION))
  }
}

/** Where the field after the one at `at` begins; its length stands before each. */
function nextField(bytes: Buffer, at: number): number {
  return at + bytes.readInt32BE(at - LENGTH_BYTES) + LENGTH_BYTES
}

/** A safe integer. */
function int8(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}

let lastType = ''

/** Events that follow each other are often of one type. */
function typeOf(bytes: Buffer, from: number, to: number): string {
  let same = to - from === lastType.length
  for (let i = 0; same && i < lastType.length; i++) same = bytes[from + i] === lastType.charCodeAt(i)
  if (!same) lastType = kept(bytes.toString('utf8', from, to))
  return lastType
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
