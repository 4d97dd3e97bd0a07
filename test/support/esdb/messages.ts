import { status as code, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { Proposed, Recorded } from './log.ts'
import { Any, shared, status, streams } from './proto.ts'
import type { Expected, Verdict } from './verdict.ts'

/** Messages and errors of the protocol, made from the log's values. */
export function streamNameOf(
  options: { getStreamIdentifier(): { getStreamName_asU8(): Uint8Array } | undefined } | undefined,
): string {
  return Buffer.from(options?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8')
}

export function streamIdentifier(stream: string) {
  return new shared.StreamIdentifier().setStreamName(new Uint8Array(Buffer.from(stream, 'utf8')))
}

/** A UUID as two signed numbers, which is how the server tells correlation ids, whatever it was sent. */
export function structured(id: string) {
  const hex = id.replaceAll('-', '')
  const bits = (from: number) => String(BigInt.asIntN(64, BigInt(`0x${hex.slice(from, from + 16)}`)))
  return new shared.UUID().setStructured(
    new shared.UUID.Structured().setMostSignificantBits(bits(0)).setLeastSignificantBits(bits(16)),
  )
}

type ProposedMessage = InstanceType<typeof streams.AppendReq.ProposedMessage>

/** The proposed event, or undefined when its id is not a UUID. */
export function proposedFrom(message: ProposedMessage): Proposed | undefined {
  const id = message.getId()?.getString() ?? ''
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id)) return undefined
  const metadata = message.getMetadataMap()
  return {
    id: id.toLowerCase(),
    type: metadata.get('type') ?? '',
    contentType: metadata.get('content-type') ?? 'application/octet-stream',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  }
}

/** .NET counts ticks of 100 ns; the wire carries them since the Unix epoch. */
const TICKS_PER_MILLISECOND = 10_000n

export function readEvent(event: Recorded) {
  const position = String(event.position)
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(event.id))
    .setStreamIdentifier(streamIdentifier(event.stream))
    .setStreamRevision(String(event.revision))
    .setPreparePosition(position)
    .setCommitPosition(position)
    .setCustomMetadata(event.metadata)
    .setData(event.data)
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', String(BigInt(event.created) * TICKS_PER_MILLISECOND))
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position),
  )
}

export function appendResponse(verdict: Verdict) {
  const response = new streams.AppendResp()
  if (verdict.kind === 'wrongExpected') {
    const wrong = new streams.AppendResp.WrongExpectedVersion()
    if (verdict.current === 'no_stream') wrong.setCurrentNoStream(new shared.Empty())
    else wrong.setCurrentRevision(String(verdict.current))
    if (verdict.expected === 'no_stream') wrong.setExpectedNoStream(new shared.Empty())
    else if (verdict.expected === 'stream_exists') wrong.setExpectedStreamExists(new shared.Empty())
    else if (verdict.expected === 'any') wrong.setExpectedAny(new shared.Empty())
    else wrong.setExpectedRevision(String(verdict.expected))
    return response.setWrongExpectedVersion(wrong)
  }
  if (verdict.kind !== 'written') throw new Error(`no response for ${verdict.kind}`)
  const position = new streams.AppendResp.Position()
    .setCommitPosition(String(verdict.position))
    .setPreparePosition(String(verdict.position))
  return response.setSuccess(
    new streams.AppendResp.Success().setCurrentRevision(String(verdict.revision)).setPosition(position),
  )
}

/** The `google.rpc.Status` that a batch append answers a refusal with. */
export function batchError(verdict: Verdict, stream: string) {
  const any = new Any()
  if (verdict.kind === 'wrongExpected') {
    const wrong = new shared.WrongExpectedVersion()
    if (verdict.current !== 'no_stream') wrong.setCurrentStreamRevision(String(verdict.current))
    if (typeof verdict.expected === 'number') wrong.setExpectedStreamPosition(String(verdict.expected))
    any.pack(wrong.serializeBinary(), 'event_store.client.WrongExpectedVersion')
  } else if (verdict.kind === 'tooLarge') {
    const large = new shared.MaximumAppendSizeExceeded().setMaxappendsize(1024 * 1024)
    any.pack(large.serializeBinary(), 'event_store.client.MaximumAppendSizeExceeded')
  } else {
    const deleted = new shared.StreamDeleted().setStreamIdentifier(streamIdentifier(stream))
    any.pack(deleted.serializeBinary(), 'event_store.client.StreamDeleted')
  }
  return new status.Status().setMessage(verdict.kind).setDetails(any)
}

export function expectedFrom(options: {
  hasNoStream(): boolean
  hasAny(): boolean
  hasStreamExists(): boolean
  getRevision?(): string
  getStreamPosition?(): string
}): Expected {
  if (options.hasNoStream()) return 'no_stream'
  if (options.hasAny()) return 'any'
  if (options.hasStreamExists()) return 'stream_exists'
  return Number(options.getRevision?.() ?? options.getStreamPosition?.())
}

/** A gRPC error with the trailers the client reads its exceptions from. */
export function rpcError(
  statusCode: number,
  message: string,
  trailers: Record<string, string> = {},
): ServiceError {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value)
  return Object.assign(new Error(message), { code: statusCode, details: message, metadata })
}

export function refusalOf(verdict: Verdict, stream: string): ServiceError {
  return verdict.kind === 'tooLarge'
    ? rpcError(code.INVALID_ARGUMENT, 'Maximum Append Size of 1048576 Exceeded.', {
        exception: 'maximum-append-size-exceeded',
        'maximum-append-size': '1048576',
      })
    : rpcError(code.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
        exception: 'stream-deleted',
        'stream-name': stream,
      })
}

export function notLeader(host: string, port: number): ServiceError {
  return rpcError(code.NOT_FOUND, `Leader info available`, {
    exception: 'not-leader',
    'leader-endpoint-host': host,
    'leader-endpoint-port': String(port),
  })
}
