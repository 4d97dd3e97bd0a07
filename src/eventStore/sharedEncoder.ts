import { hash } from 'node:crypto'
import type { Actor, EventMetadata } from '../domain/envelope.ts'
import type { JsonObject } from '../domain/json.ts'
import { catalogue, dataValidator } from './catalogue.ts'
import { link } from './chain.ts'
import { encode, type StreamPlace } from './codec.ts'
import { EncodedEvent } from './encodedEvent.ts'
import { type MetadataFrame, metadataFrame } from './metadataText.ts'

/** What the metadata of many events has in common. */
export interface SharedMetadata {
  readonly tenant: string
  readonly actor: Actor
  readonly commandHash: string
  readonly $correlationId: string
  readonly $causationId: string
}

export interface EventOfMany {
  readonly id: string
  readonly commandId: string
  readonly type: string
  readonly data: JsonObject
  /** The canonical JSON of the data. */
  readonly dataText: string
  readonly occurredAt: string
}

/** A frame as bytes. */
interface Bytes extends MetadataFrame {
  readonly v: number
  readonly beforeBytes: Buffer
  readonly afterBytes: Buffer
  readonly encoding: 'latin1' | 'utf8'
}

/** Bytes of an event up to which it is put together in one place. */
const ROOM = 16_384
const room = Buffer.alloc(ROOM)

/**
 * Makes of many events the same as `encode` does, for those that share all metadata but two members. What they share is written once,
 * and each event put together in one place instead of out of many texts.
 *
 * Ids, command ids and times are ASCII without quotes, backslashes and control characters.
 */
export class SharedEncoder {
  readonly #shared: SharedMetadata
  readonly #frames = new Map<string, Bytes>()
  #stream = ''
  #quotedStream = ''
  #revision = -1
  #chain: string | undefined

  constructor({ tenant, actor, commandHash, $correlationId, $causationId }: SharedMetadata) {
    const { id, role } = actor
    this.#shared = { tenant, actor: { id, role }, commandHash, $correlationId, $causationId }
  }

  /** The events that follow are of this stream, after this place. */
  begin(stream: string, after: StreamPlace): void {
    this.#stream = stream
    this.#quotedStream = JSON.stringify(stream)
    this.#revision = after === 'no_stream' ? -1 : after.revision
    this.#chain = after === 'no_stream' ? undefined : after.chain
  }

  /** The last event made. */
  get place(): StreamPlace {
    return this.#chain === undefined ? 'no_stream' : { revision: this.#revision, chain: this.#chain }
  }

  /** The stream's next event. @throws InvalidEvent */
  next(event: EventOfMany): EncodedEvent {
    const { id, commandId, type, data, dataText, occurredAt } = event
    if (dataValidator(type)?.Check(data) !== true) this.#refuse(event)
    const frame = this.#frames.get(type) ?? this.#frame(type)
    this.#revision += 1
    const metadata = this.#link(frame, event)
    const { tenant, actor, commandHash, $correlationId, $causationId } = this.#shared
    const { v } = frame
    const chain = this.#chain!
    return new EncodedEvent(
      id,
      type,
      data,
      { $causationId, $correlationId, actor, commandHash, commandId, occurredAt, tenant, v, chain },
      { data: dataText, metadata },
    )
  }

  /** Goes on with the chain, and answers the text of the metadata. */
  #link(frame: Bytes, { id, type, dataText, commandId, occurredAt }: EventOfMany): string {
    const { before, beforeBytes, between, after, afterBytes, encoding } = frame
    const first = `${this.#chain ?? ''}{"data":${dataText},"id":"${id}","metadata":`
    const own = `"${commandId}"${between}"${occurredAt}"`
    const last = `,"revision":${this.#revision},"stream":${this.#quotedStream},"type":"${type}"}`
    const most = first.length * 3 + beforeBytes.length + own.length + afterBytes.length + last.length * 3
    if (most > ROOM) {
      const metadata = before + own + after
      const place = { id, type, stream: this.#stream, revision: this.#revision }
      this.#chain = link(this.#chain, place, dataText, metadata)
      return metadata
    }
    const start = room.write(first, 0)
    room.set(beforeBytes, start)
    const middle = start + beforeBytes.length
    const behind = middle + room.write(own, middle, 'latin1')
    room.set(afterBytes, behind)
    const end = behind + afterBytes.length
    const whole = end + room.write(last, end)
    this.#chain = hash('sha256', room.subarray(0, whole), 'hex')
    return room.toString(encoding, start, end)
  }

  #frame(type: string): Bytes {
    const { v } = catalogue.get(type)!
    const frame = metadataFrame({ ...this.#shared, v })
    const beforeBytes = Buffer.from(frame.before)
    const afterBytes = Buffer.from(frame.after)
    const isAscii = beforeBytes.length === frame.before.length && afterBytes.length === frame.after.length
    const made: Bytes = { ...frame, v, beforeBytes, afterBytes, encoding: isAscii ? 'latin1' : 'utf8' }
    this.#frames.set(type, made)
    return made
  }

  /** Says what is wrong with it. */
  #refuse({ id, type, data, commandId, occurredAt }: EventOfMany): never {
    const metadata: Omit<EventMetadata, 'v' | 'chain'> = { ...this.#shared, commandId, occurredAt }
    encode(this.#stream, [{ id, event: { type, data }, metadata }], this.place)
    throw new TypeError(`${type} fits its schema after all`)
  }
}
