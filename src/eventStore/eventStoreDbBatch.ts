import { randomUUID } from 'node:crypto'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { NewEvent } from '../domain/envelope.ts'
import type { ExpectedRevision } from './eventStore.ts'
import { Silence } from './eventStoreDbErrors.ts'

type Request = InstanceType<typeof streams.BatchAppendReq>
type Response = InstanceType<typeof streams.BatchAppendResp>
type Uuid = InstanceType<typeof shared.UUID>
export type BatchCall = ClientDuplexStream<Request, Response>

/** An event with its JSON made once: for the size check, for the wire, and again for each try. */
export interface Prepared {
  readonly id: string
  readonly type: string
  readonly data: Uint8Array
  readonly metadata: Uint8Array
}

export function prepare(event: NewEvent): Prepared {
  return {
    id: event.id,
    type: event.type,
    data: Buffer.from(JSON.stringify(event.data), 'utf8'),
    metadata: Buffer.from(JSON.stringify(event.metadata), 'utf8'),
  }
}

interface Pending {
  resolve(response: Response): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

/**
 * One `Streams.BatchAppend` call: many appends at once over one duplex stream, each answered by its correlation id. When it breaks, the
 * outcome of what is pending is unknown.
 */
export class AppendStream {
  readonly #call: BatchCall
  readonly #pending = new Map<string, Pending>()
  readonly #onBroken: (error: Error) => void
  #broken: Error | undefined

  constructor(call: BatchCall, onBroken: (error: Error) => void) {
    this.#call = call
    this.#onBroken = onBroken
    call.on('data', (response: Response) => this.#answered(response))
    call.on('error', (error: Error) => this.#break(error))
    call.on('end', () => this.#break(new Error('The server ended the append stream')))
    call.on('close', () => this.#break(new Error('The append stream was closed')))
  }

  get broken(): Error | undefined {
    return this.#broken
  }

  /** The server's answer. Throws when the stream breaks or nothing comes in time: the outcome is then unknown. */
  send(
    stream: string,
    events: readonly Prepared[],
    expected: ExpectedRevision,
    timeoutMs: number,
  ): Promise<Response> {
    if (this.#broken) return Promise.reject(this.#broken)
    const correlationId = randomUUID()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(correlationId)
        reject(new Silence('append', timeoutMs))
      }, timeoutMs)
      this.#pending.set(correlationId, { resolve, reject, timer })
      // What `write` says of its buffer is passed over: the callers wait for their answers, so it holds no more than they do.
      this.#call.write(requestOf(correlationId, stream, events, expected))
    })
  }

  cancel(reason: Error): void {
    this.#break(reason)
    this.#call.cancel()
  }

  #answered(response: Response): void {
    const id = textOf(response.getCorrelationId())
    const pending = this.#pending.get(id)
    // An answer after its time, or a second one (the server has a timer of its own), is nobody's any more.
    if (!pending) return
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    pending.resolve(response)
  }

  #break(error: Error): void {
    if (this.#broken) return
    this.#broken = error
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#pending.clear()
    this.#onBroken(error)
  }
}

function requestOf(
  correlationId: string,
  stream: string,
  events: readonly Prepared[],
  expected: ExpectedRevision,
): Request {
  const name = new shared.StreamIdentifier().setStreamName(new Uint8Array(Buffer.from(stream, 'utf8')))
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(name)
  if (expected === 'no_stream') options.setNoStream(new shared.Empty() as never)
  else options.setStreamPosition(String(expected))
  const request = new streams.BatchAppendReq()
    .setCorrelationId(new shared.UUID().setString(correlationId))
    .setOptions(options)
    .setIsFinal(true)
  for (const event of events) {
    const message = new streams.BatchAppendReq.ProposedMessage()
      .setId(new shared.UUID().setString(event.id))
      .setData(event.data)
      .setCustomMetadata(event.metadata)
    message.getMetadataMap().set('type', event.type).set('content-type', 'application/json')
    request.addProposedMessages(message)
  }
  return request
}

/** A UUID in either of its wire forms. */
function textOf(uuid: Uuid | undefined): string {
  const structured = uuid?.getStructured()
  if (!structured) return uuid?.getString() ?? ''
  const hex = [structured.getMostSignificantBits(), structured.getLeastSignificantBits()]
    .map((bits) => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0'))
    .join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
