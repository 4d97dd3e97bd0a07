import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServiceError,
  sendUnaryData,
} from '@grpc/grpc-js'
import type { Proposed } from './log.ts'
import {
  appendResponse,
  batchError,
  expectedFrom,
  proposedFrom,
  refusalOf,
  rpcError,
  streamIdentifier,
  streamNameOf,
  structured,
} from './messages.ts'
import type { Node } from './node.ts'
import { shared, streams } from './proto.ts'
import type { Expected, Verdict } from './verdict.ts'

type AppendReq = InstanceType<typeof streams.AppendReq>
type AppendResp = InstanceType<typeof streams.AppendResp>
type BatchAppendReq = InstanceType<typeof streams.BatchAppendReq>
type BatchAppendResp = InstanceType<typeof streams.BatchAppendResp>
type DeleteReq = InstanceType<typeof streams.DeleteReq>

/** `Streams.Append`: options, then the events, then one answer. */
export function append(node: Node) {
  return (call: ServerReadableStream<AppendReq, AppendResp>, callback: sendUnaryData<AppendResp>) => {
    let stream = ''
    let expected: Expected = 'any'
    const events: (Proposed | undefined)[] = []
    call.on('error', () => {})
    call.on('data', (message: AppendReq) => {
      const options = message.getOptions()
      if (options) {
        stream = streamNameOf(options)
        expected = expectedFrom(options)
      }
      const proposed = message.getProposedMessage()
      if (proposed) events.push(proposedFrom(proposed))
    })
    call.on('end', () => {
      const refused = node.refusesAsFollower(requiresLeader(call))
      if (refused) return callback(refused)
      if (!events.every((event) => event !== undefined)) return callback(badId())
      let verdict: Verdict | undefined
      node.meet('append', call.getPeer(), {
        perform: (forgetIds) => {
          verdict = forgetIds ? conflict(node, stream, expected) : node.log.append(stream, events, expected)
        },
        answer: () => {
          if (call.cancelled) return
          if (verdict!.kind === 'tooLarge' || verdict!.kind === 'streamDeleted') {
            callback(refusalOf(verdict!, stream))
          } else callback(null, appendResponse(verdict!))
        },
        refuse: (error) => callback(error),
      })
    })
  }
}

/** `Streams.BatchAppend`: many appends over one duplex stream, each answered by its correlation id. */
export function batchAppend(node: Node) {
  return (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => {
    const open = new Map<string, { stream: string; expected: Expected; events: (Proposed | undefined)[] }>()
    call.on('error', () => {})
    call.on('end', () => call.end())
    call.on('data', (message: BatchAppendReq) => {
      const correlation = message.getCorrelationId()!
      const key = correlation.getString()
      const options = message.getOptions()
      if (options) {
        open.set(key, { stream: streamNameOf(options), expected: expectedFrom(options), events: [] })
      }
      const batch = open.get(key)
      if (!batch) return
      batch.events.push(...message.getProposedMessagesList().map((proposed) => proposedFrom(proposed)))
      if (!message.getIsFinal()) return
      open.delete(key)
      const { stream, expected, events } = batch
      if (!events.every((event) => event !== undefined)) return void call.emit('error', badId())
      let verdict: Verdict | undefined
      node.meet('append', call.getPeer(), {
        perform: (forgetIds) => {
          verdict = forgetIds ? conflict(node, stream, expected) : node.log.append(stream, events, expected)
        },
        answer: () => {
          if (!call.cancelled)
            call.write(batchResponse(verdict!, stream).setCorrelationId(structured(correlation.getString())))
        },
        refuse: (error) => void call.emit('error', error),
      })
    })
  }
}

/** `Streams.Delete` (soft) and `Streams.Tombstone` (hard). */
export function remove(node: Node, how: 'soft' | 'hard') {
  return (call: ServerUnaryCall<DeleteReq, unknown>, callback: sendUnaryData<unknown>) => {
    node.log.delete(streamNameOf(call.request.getOptions()), how)
    const Response = how === 'soft' ? streams.DeleteResp : streams.TombstoneResp
    callback(null, new Response().setNoPosition(new shared.Empty()))
  }
}

export function requiresLeader(call: { metadata: { get(name: string): unknown[] } }): boolean {
  return call.metadata.get('requires-leader')[0] === 'true'
}

function batchResponse(verdict: Verdict, stream: string): BatchAppendResp {
  const response = new streams.BatchAppendResp().setStreamIdentifier(streamIdentifier(stream))
  if (verdict.kind !== 'written') return response.setError(batchError(verdict, stream))
  const position = String(verdict.position)
  return response.setSuccess(
    new streams.BatchAppendResp.Success()
      .setCurrentRevision(String(verdict.revision))
      .setPosition(new shared.AllStreamPosition().setCommitPosition(position).setPreparePosition(position)),
  )
}

function conflict(node: Node, stream: string, expected: Expected): Verdict {
  const last = (node.log.stream(stream)?.events.length ?? 0) - 1
  return { kind: 'wrongExpected', expected, current: last < 0 ? 'no_stream' : last }
}

function badId(): ServiceError {
  return rpcError(3, 'Empty or malformed event id')
}
