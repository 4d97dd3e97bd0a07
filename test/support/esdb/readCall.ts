import type { ServerWritableStream } from '@grpc/grpc-js'
import { rpcError } from './messages.ts'
import type { Node } from './node.ts'
import type { streams } from './proto.ts'

type ReadReq = InstanceType<typeof streams.ReadReq>
type ReadResp = InstanceType<typeof streams.ReadResp>
export type ReadOptions = NonNullable<ReturnType<ReadReq['getOptions']>>
export type ReadCall = ServerWritableStream<ReadReq, ReadResp>

/** How a read or subscription ends before its time, and after how many events. */
export type Cut = {
  readonly kind: 'endAfter' | 'tooSlowAfter' | 'downAfter' | 'silentAfter' | 'dropAfter'
  readonly events: number
}

export function cutOff(node: Node, call: ReadCall, kind: Cut['kind']): void {
  switch (kind) {
    case 'endAfter':
      return void call.end()
    case 'tooSlowAfter':
      return void call.emit('error', tooSlow())
    case 'downAfter':
      call.emit('error', rpcError(14, 'The server is shutting down.'))
      return
    case 'silentAfter':
      return
    case 'dropAfter':
      node.reset(call.getPeer())
      return
  }
}

export function tooSlow() {
  return rpcError(10, 'Consumer too slow to handle event while live. Client resubscription required.')
}

/** Messages written ahead of the network. */
export const WRITTEN_AHEAD = 256

/** Waits for room in the call's buffer, or its end. */
export function drained(call: ReadCall): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('drain', done)
      call.off('close', done)
      call.off('cancelled', done)
      resolve()
    }
    call.on('drain', done)
    call.on('close', done)
    call.on('cancelled', done)
  })
}
