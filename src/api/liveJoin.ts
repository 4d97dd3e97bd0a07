import { setTimeout as delay } from 'node:timers/promises'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { eventFrame } from './liveEventFrame.ts'
import type { FrameRun } from './liveFrameRun.ts'
import type { HubListener, LiveHub } from './liveHub.ts'
import type { SharedTexts } from './liveWire.ts'

/** Where frames go. */
export interface Sink {
  /** False when the socket cannot keep up: nothing more may be sent. */
  send(texts: SharedTexts): boolean
  /** A single one, but waits until the socket has room; false when it is gone. */
  sendPaced(bytes: Buffer): Promise<boolean>
}

export interface JoinOptions {
  readonly store: EventStore
  readonly hub: LiveHub
  readonly sink: Sink
  readonly stream: string
  readonly sessionId: string
  /** Every event later than this revision is sent; live only when absent. */
  readonly after?: number | undefined
  /** Called once, before the first event. */
  readonly onJoined: (revision: number, after: number) => void
  /** Called when everything that was in the log at joining has been sent. */
  readonly onCaughtUp: () => void
  readonly onError: (error: unknown) => void
}

export interface Join {
  /** Revision of the last event sent, or of the one after which sending began. */
  readonly sent: number
  leave(): void
}

const PAGE = 200
const MOST_MISSES = 20

/**
 * Joins a socket to a session: what is in the log first and then what comes, each event once and in order of revision. While it
 * reads from the log, what comes live is only noted, not kept: it reads on until it has passed everything noted, and goes over to
 * live in the same turn of the event loop. A revision that is not the next one sends it back to the log.
 */
export function joinSession(options: JoinOptions): Join {
  const join = new SessionJoin(options)
  void join.begin(options).catch(options.onError)
  return join
}

/** A class and no closures, as `Connection`; what only its beginning needs is not kept. */
class SessionJoin implements Join, HubListener {
  readonly #store: EventStore
  readonly #hub: LiveHub
  readonly #sink: Sink
  readonly #stream: string
  readonly #sessionId: string
  readonly #onError: (error: unknown) => void
  #sent = -1
  #noted = -1
  #live = false
  #left = false

  constructor({ store, hub, sink, stream, sessionId, onError }: JoinOptions) {
    this.#store = store
    this.#hub = hub
    this.#sink = sink
    this.#stream = stream
    this.#sessionId = sessionId
    this.#onError = onError
    hub.listen(stream, this)
  }

  get sent(): number {
    return this.#sent
  }

  leave(): void {
    this.#left = true
    this.#live = false
    this.#hub.unlisten(this.#stream, this)
  }

  onEvents(run: FrameRun): void {
    this.#noted = run.last
    if (!this.#live || run.last <= this.#sent) return
    const next = run.after(this.#sent)
    if (next) {
      if (this.#sink.send(next.texts)) this.#sent = next.last
    } else {
      this.#live = false
      void this.#catchUp().catch(this.#onError)
    }
  }

  onProgress(texts: SharedTexts): void {
    if (this.#live) this.#sink.send(texts)
  }

  async begin({ after, onJoined, onCaughtUp }: JoinOptions): Promise<void> {
    await this.#hub.ready()
    const head = (await this.#store.heads([this.#stream])).get(this.#stream)?.revision ?? -1
    if (this.#left) return
    this.#sent = after ?? head
    this.#noted = Math.max(this.#noted, head)
    onJoined(head, this.#sent)
    await this.#catchUp()
    if (this.#live) onCaughtUp()
  }

  async #catchUp(): Promise<void> {
    let misses = 0
    while (this.#noted > this.#sent && !this.#left) {
      const from = this.#sent + 1
      for await (const event of this.#store.read(this.#stream, { from, limit: PAGE })) {
        if (this.#left) return
        this.#sent = event.revision
        const frame = Buffer.from(eventFrame(this.#sessionId, decode(event)))
        if (!(await this.#sink.sendPaced(frame))) return this.leave()
      }
      // What was noted must be there; a replica that the log is read from may be a moment behind.
      misses = this.#sent < from ? misses + 1 : 0
      if (misses > MOST_MISSES)
        throw new Error(`${this.#stream} has no revision ${from} although ${this.#noted} was seen`)
      if (misses > 0) await delay(10 * misses)
    }
    if (!this.#left) this.#live = true
  }
}
