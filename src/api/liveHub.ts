import { setTimeout as delay } from 'node:timers/promises'
import type { StoredEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { eventFrame, MOVES_PROGRESS } from './liveEventFrame.ts'

/** An event's frame, made once for all sockets. */
export interface EventFrame {
  readonly revision: number
  readonly bytes: Buffer
}

export interface HubListener {
  onEvent(frame: EventFrame): void
  /** A frame that is no event's. */
  onProgress(bytes: Buffer): void
}

/** Hands the events of the log to those of this node's sockets that joined their session. */
export interface LiveHub {
  /** From then on no event goes past a listener. */
  ready(): Promise<void>
  listen(stream: string, listener: HubListener): () => void
  stop(): Promise<void>
}

export interface HubOptions {
  readonly store: EventStore
  /** The `progress_update` frame of a session, undefined when it has none. */
  readonly progressFrame: (tenant: string, sessionId: string) => Promise<string | undefined>
  readonly onError: (error: unknown) => void
}

/** One follower of the log a node, from its end on: what is older, a socket reads for itself. */
export function startHub({ store, progressFrame, onError }: HubOptions): LiveHub {
  const listeners = new Map<string, Set<HubListener>>()
  const moved = new Set<string>()
  const stopping = new AbortController()
  let reached: Position | undefined
  const begun = Promise.withResolvers<void>()

  function deliver(event: StoredEvent): void {
    const heard = listeners.get(event.stream)
    if (!heard) return
    const frame = {
      revision: event.revision,
      bytes: Buffer.from(eventFrame(parseStreamName(event.stream)!.id, decode(event))),
    }
    for (const listener of heard) listener.onEvent(frame)
    if (MOVES_PROGRESS.has(event.type)) void moveOn(event.stream)
  }

  /** However many events move a session while its progress is being worked out, one more update follows. */
  async function moveOn(stream: string): Promise<void> {
    if (moved.has(stream)) return
    moved.add(stream)
    try {
      // Not before the other events of the batch are delivered.
      await new Promise(setImmediate)
      moved.delete(stream)
      const { tenant, id } = parseStreamName(stream)!
      const text = await progressFrame(tenant, id)
      if (text === undefined) return
      const bytes = Buffer.from(text)
      for (const listener of listeners.get(stream) ?? []) listener.onProgress(bytes)
    } catch (error) {
      moved.delete(stream)
      onError(error)
    }
  }

  async function run(): Promise<void> {
    const { signal } = stopping
    while (!signal.aborted) {
      try {
        reached ??= await store.head()
        begun.resolve()
        const wanted = (stream: string) => listeners.has(stream)
        for await (const batch of store.follow({
          from: reached,
          categories: ['session'],
          signal,
          wanted,
        })) {
          if (batch.kind === 'events') for (const event of batch.events) deliver(event)
          reached = batch.through
        }
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
      if (!signal.aborted) await delay(250 + Math.random() * 750, undefined, { signal }).catch(() => {})
    }
  }
  const running = run()

  return {
    ready: () => begun.promise,
    listen(stream, listener) {
      const heard = listeners.get(stream) ?? new Set()
      listeners.set(stream, heard.add(listener))
      return () => {
        heard.delete(listener)
        if (heard.size === 0 && listeners.get(stream) === heard) listeners.delete(stream)
      }
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
