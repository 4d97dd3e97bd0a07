import { setTimeout as delay } from 'node:timers/promises'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { eventFrame } from './liveEventFrame.ts'
import type { LiveHub } from './liveHub.ts'
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
  const { store, hub, sink, stream, sessionId } = options
  let sent = -1
  let noted = -1
  let live = false
  let left = false

  const stopListening = hub.listen(stream, {
    onEvents(run) {
      noted = run.last
      if (!live || run.last <= sent) return
      const next = run.after(sent)
      if (next) {
        if (sink.send(next.texts)) sent = next.last
      } else {
        live = false
        void catchUp().catch(options.onError)
      }
    },
    onProgress(texts) {
      if (live) sink.send(texts)
    },
  })

  async function begin(): Promise<void> {
    await hub.ready()
    const head = (await store.heads([stream])).get(stream)?.revision ?? -1
    if (left) return
    sent = options.after ?? head
    noted = Math.max(noted, head)
    options.onJoined(head, sent)
    await catchUp()
    if (live) options.onCaughtUp()
  }

  async function catchUp(): Promise<void> {
    let misses = 0
    while (noted > sent && !left) {
      const from = sent + 1
      for await (const event of store.read(stream, { from, limit: PAGE })) {
        if (left) return
        sent = event.revision
        if (!(await sink.sendPaced(Buffer.from(eventFrame(sessionId, decode(event)))))) return leave()
      }
      // What was noted must be there; a replica that the log is read from may be a moment behind.
      misses = sent < from ? misses + 1 : 0
      if (misses > MOST_MISSES)
        throw new Error(`${stream} has no revision ${from} although ${noted} was seen`)
      if (misses > 0) await delay(10 * misses)
    }
    if (!left) live = true
  }

  function leave(): void {
    left = true
    live = false
    stopListening()
  }

  void begin().catch(options.onError)
  return {
    get sent() {
      return sent
    },
    leave,
  }
}
