import { setTimeout as delay } from 'node:timers/promises'
import type { StoredEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { MOVES_PROGRESS } from './liveEventFrame.ts'
import { type FrameRun, frameRuns } from './liveFrameRun.ts'
import { SharedTexts } from './liveWire.ts'

export interface HubListener {
  onEvents(run: FrameRun): void
  /** A frame that is no event's. */
  onProgress(text: SharedTexts): void
}

/** Hands the events of the log to those of this node's sockets that joined their session. */
export interface LiveHub {
  /** From then on no event goes past a listener. */
  ready(): Promise<void>
  listen(stream: string, listener: HubListener): void
  unlisten(stream: string, listener: HubListener): void
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

  /** What a session has in one batch goes out together: a write for each event and socket would cost most of the time there is. */
  function deliver(events: readonly StoredEvent[]): void {
    for (const [stream, own] of Map.groupBy(events, (event) => event.stream)) {
      const heard = listeners.get(stream)
      if (!heard) continue
      for (const run of frameRuns(stream, own)) for (const listener of heard) listener.onEvents(run)
      if (own.some(({ type }) => MOVES_PROGRESS.has(type))) void moveOn(stream)
    }
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
      const texts = new SharedTexts([Buffer.from(text)])
      for (const listener of listeners.get(stream) ?? []) listener.onProgress(texts)
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
          if (batch.kind === 'events') deliver(batch.events)
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
    },
    unlisten(stream, listener) {
      const heard = listeners.get(stream)
      heard?.delete(listener)
      if (heard?.size === 0) listeners.delete(stream)
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
