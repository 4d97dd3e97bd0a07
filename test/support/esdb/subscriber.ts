import type { Recorded } from './log.ts'
import { readEvent, streamNameOf } from './messages.ts'
import type { Node } from './node.ts'
import { streams } from './proto.ts'
import { type Cut, cutOff, type ReadCall, type ReadOptions, tooSlow, WRITTEN_AHEAD } from './readCall.ts'

/** Events that a live subscriber may lag behind before the server drops it, and how long it may take to make room. */
const MAX_LAG_LIVE = 32
const PATIENCE_MS = 100

/** One subscription: catches up, says so, then sends what comes. Starts after the position it is given. */
export class Subscriber {
  readonly #node: Node
  readonly #call: ReadCall
  readonly #events: readonly Recorded[]
  readonly #matches: (event: Recorded) => boolean
  readonly #checkpointEvery: number | undefined
  #cut: Cut | undefined
  #next: number
  #sent = 0
  #silent = false
  #wake = () => {}

  constructor(node: Node, call: ReadCall, options: ReadOptions, cut: Cut | undefined) {
    this.#node = node
    this.#call = call
    this.#cut = cut
    const stream = options.getStream()
    // A stream that does not exist yet is waited for: its events are found in all of them.
    const name = stream ? streamNameOf(stream) : undefined
    this.#events = node.log.all
    const filter = filterOf(options)
    this.#matches = (event) => (name === undefined || event.stream === name) && filter(event)
    this.#next = startOf(node, options)
    const interval = options.getFilter()?.getCheckpointintervalmultiplier()
    this.#checkpointEvery =
      interval === undefined ? undefined : interval * (options.getFilter()!.getMax() || 32)
  }

  /** Cuts the subscription now. */
  cut(kind: Cut['kind']): void {
    if (kind === 'silentAfter') this.#silent = true
    else cutOff(this.#node, this.#call, kind)
    this.#wake()
  }

  async run(): Promise<void> {
    const call = this.#call
    this.#node.subscribers.add(this)
    const unwatch = this.#node.log.watch(() => this.#wake())
    const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(
      crypto.randomUUID(),
    )
    call.write(new streams.ReadResp().setConfirmation(confirmation))
    let live = false
    while (this.#open()) {
      if (this.#next >= this.#events.length || this.#silent || this.#node.frozen) {
        if (!live && !this.#silent && !this.#node.frozen) {
          live = true
          call.write(new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()))
        }
        await this.#somethingNew()
      } else if (!this.#send()) await this.#room(live)
    }
    unwatch()
    this.#node.subscribers.delete(this)
  }

  /** Sends the next event (and checkpoint); false when the subscriber must be waited for. */
  #send(): boolean {
    const event = this.#events[this.#next]!
    let room = true
    if (this.#matches(event)) {
      if (this.#cut && this.#sent === this.#cut.events) {
        const { kind } = this.#cut
        this.#cut = undefined
        this.cut(kind)
        return true
      }
      this.#call.write(readEvent(event))
      room = this.#call.writableLength < WRITTEN_AHEAD
      this.#sent += 1
    }
    this.#next += 1
    if (this.#checkpointEvery && this.#next % this.#checkpointEvery === 0) {
      // As measured: the checkpoint is the place after what was looked at, with a prepare position of 0.
      const after = event.position + 1
      const checkpoint = new streams.ReadResp.Checkpoint().setCommitPosition(String(after))
      this.#call.write(new streams.ReadResp().setCheckpoint(checkpoint.setPreparePosition('0')))
    }
    return room
  }

  /** Waits until the subscriber takes more; a live one that lags is dropped instead. */
  async #room(live: boolean): Promise<void> {
    const since = Date.now()
    while (this.#open() && this.#call.writableNeedDrain) {
      const lag = this.#events.length - this.#next + this.#call.writableLength
      if (live && lag > MAX_LAG_LIVE && Date.now() - since >= PATIENCE_MS) {
        this.#call.emit('error', tooSlow())
        return
      }
      const timer = setTimeout(() => this.#wake(), PATIENCE_MS)
      await this.#somethingNew()
      clearTimeout(timer)
    }
  }

  #open(): boolean {
    return !this.#call.cancelled && !this.#call.destroyed && !this.#call.writableEnded && !this.#node.stopped
  }

  #somethingNew(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = () => {}
        this.#call.off('drain', done)
        this.#call.off('close', done)
        this.#call.off('cancelled', done)
        resolve()
      }
      this.#wake = done
      this.#call.on('drain', done)
      this.#call.on('close', done)
      this.#call.on('cancelled', done)
    })
  }
}

function startOf(node: Node, options: ReadOptions): number {
  const stream = options.getStream()
  if (stream) {
    if (stream.hasEnd()) return node.log.all.length
    if (!stream.hasRevision()) return 0
    const last = node.log.stream(streamNameOf(stream))?.events[Number(stream.getRevision())]
    return last ? node.log.indexAt(last.position) + 1 : 0
  }
  const all = options.getAll()!
  if (all.hasEnd()) return node.log.all.length
  const position = all.getPosition()
  if (!position) return 0
  const commit = Number(position.getCommitPosition())
  const index = node.log.indexAt(commit)
  const seen = Number(position.getPreparePosition()) >= commit && node.log.all[index]?.position === commit
  return seen ? index + 1 : index
}

function filterOf(options: ReadOptions): (event: Recorded) => boolean {
  const filter = options.getFilter()
  if (!filter) return () => true
  const byStream = filter.getStreamIdentifier()
  const expression = byStream ?? filter.getEventType()!
  const prefixes = expression.getPrefixList()
  const regex = expression.getRegex()
  const pattern = regex === '' ? undefined : new RegExp(regex)
  return (event) => {
    const text = byStream ? event.stream : event.type
    return pattern ? pattern.test(text) : prefixes.some((prefix) => text.startsWith(prefix))
  }
}
