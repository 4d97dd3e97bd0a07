import { requiresLeader } from './appending.ts'
import type { Recorded } from './log.ts'
import { readEvent, rpcError, streamIdentifier, streamNameOf } from './messages.ts'
import { type Node, refusal } from './node.ts'
import { streams } from './proto.ts'
import { type Cut, cutOff, drained, type ReadCall, type ReadOptions, WRITTEN_AHEAD } from './readCall.ts'
import { Subscriber } from './subscriber.ts'

/** `Streams.Read`: one stream or all, either way, or a subscription to either. */
export function read(node: Node) {
  return (call: ReadCall) => {
    call.on('error', () => {})
    if (node.frozen) return
    const options = call.request.getOptions()!
    const refused = node.refusesAsFollower(requiresLeader(call))
    if (refused) return void call.emit('error', refused)
    const fault = node.faults.take(options.hasSubscription() ? 'subscribe' : 'read')
    switch (fault?.kind) {
      case 'drop':
        return node.reset(call.getPeer())
      case 'stall':
      case 'withholdAnswer':
      case 'answerTwice':
      case 'forgetIds':
        return
      case 'fail':
      case 'notLeader':
        return void call.emit('error', refusal(fault))
      case 'loseAnswer':
      case 'late':
      case 'doneLate': {
        const wait = fault.kind === 'loseAnswer' ? 0 : fault.ms
        setTimeout(() => {
          if (fault.kind === 'loseAnswer') node.reset(call.getPeer())
          else start(node, call, options, undefined)
        }, wait).unref()
        return
      }
      case undefined:
      case 'endAfter':
      case 'tooSlowAfter':
      case 'downAfter':
      case 'silentAfter':
      case 'dropAfter':
        start(node, call, options, fault)
    }
  }
}

function start(node: Node, call: ReadCall, options: ReadOptions, cut: Cut | undefined): void {
  if (options.hasSubscription()) {
    node.subscribed += 1
    const subscriber = new Subscriber(node, call, options, cut)
    void subscriber.run()
    return
  }
  node.reading += 1
  call.on('close', () => {
    node.reading -= 1
  })
  void answerRead(node, call, options, cut)
}

async function answerRead(
  node: Node,
  call: ReadCall,
  options: ReadOptions,
  cut: Cut | undefined,
): Promise<void> {
  const stream = options.hasStream() ? streamNameOf(options.getStream()) : undefined
  if (stream !== undefined) {
    const state = node.log.stream(stream)
    if (state?.deleted === 'hard') {
      const trailers = { exception: 'stream-deleted', 'stream-name': stream }
      return void call.emit('error', rpcError(9, `Event stream '${stream}' is deleted.`, trailers))
    }
    if (!state || state.events.length === state.hiddenBelow) {
      const missing = new streams.ReadResp.StreamNotFound().setStreamIdentifier(streamIdentifier(stream))
      call.write(new streams.ReadResp().setStreamNotFound(missing))
      return void call.end()
    }
  }
  let written = 0
  for (const event of chosen(node, options, stream)) {
    if (call.cancelled || call.destroyed) return
    if (cut && written === cut.events) return cutOff(node, call, cut.kind)
    call.write(readEvent(event))
    if (call.writableLength >= WRITTEN_AHEAD) await drained(call)
    written += 1
  }
  call.end()
}

/** The events of a read, in its direction: stream reads start inclusive, $all forwards inclusive, backwards exclusive. */
function* chosen(node: Node, options: ReadOptions, stream: string | undefined): Generator<Recorded> {
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS
  let left = Number(options.getCount())
  const state = stream === undefined ? undefined : node.log.stream(stream)
  const events = state ? state.events : node.log.all
  const lowest = state ? state.hiddenBelow : 0
  let index = backwards ? startBackwards(node, options) : Math.max(lowest, startForwards(node, options))
  // A forward read sees what is appended while it runs, as the server's does.
  while (left > 0 && index >= lowest && index < events.length) {
    yield events[index]!
    index += backwards ? -1 : 1
    left -= 1
  }
}

function startForwards(node: Node, options: ReadOptions): number {
  const inStream = options.getStream()
  if (inStream) return inStream.hasRevision() ? Number(inStream.getRevision()) : 0
  const position = options.getAll()!.getPosition()
  return position ? node.log.indexAt(Number(position.getCommitPosition())) : 0
}

function startBackwards(node: Node, options: ReadOptions): number {
  const inStream = options.getStream()
  if (inStream) {
    const last = node.log.stream(streamNameOf(inStream))!.events.length - 1
    return inStream.hasRevision() ? Math.min(last, Number(inStream.getRevision())) : last
  }
  const position = options.getAll()!.getPosition()
  return position ? node.log.indexAt(Number(position.getCommitPosition())) - 1 : node.log.all.length - 1
}
