import type { StoredEvent } from '../domain/envelope.ts'
import { flowOfSession } from '../domain/flowOverrides.ts'
import { evolveSession, type FoldedEvent, noSession } from '../domain/sessionState.ts'
import { type SessionView, sessionView } from '../domain/sessionView.ts'
import { streamName } from '../domain/stream.ts'
import { catalogue } from '../eventStore/catalogue.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Flows } from './flows.ts'

/** Up to which event of a session: a revision, or a time of `occurredAt` (ISO 8601, UTC, milliseconds), both inclusive. */
export type ReplayPoint = { readonly revision: number } | { readonly time: string }

export interface Replayed {
  /** As it was then; null when the flow that it ran is not in the log. */
  readonly session: SessionView | null
  /** What made it so, as stored. */
  readonly events: readonly StoredEvent[]
}

const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** Reads `17`, `2026-11-20` (its first moment) or an ISO 8601 time with its zone; undefined for anything else. */
export function parseReplayPoint(text: string): ReplayPoint | undefined {
  if (/^\d{1,10}$/.test(text)) return { revision: Number(text) }
  const time = DATE.test(text) ? new Date(text) : undefined
  return time && !Number.isNaN(time.getTime()) ? { time: time.toISOString() } : undefined
}

/** The session as it was beside the events that made it; undefined when it has none up to then. */
export async function replaySession(
  { store, flows }: { readonly store: EventStore; readonly flows: Flows },
  tenant: string,
  sessionId: string,
  at?: ReplayPoint,
): Promise<Replayed | undefined> {
  const events: StoredEvent[] = []
  let state = noSession
  for await (const event of store.read(streamName('session', tenant, sessionId))) {
    if (at && 'revision' in at && event.revision > at.revision) break
    // An import may tell things in another order than they happened, so a later event can be an earlier one.
    if (at && 'time' in at && event.metadata.occurredAt > at.time) continue
    events.push(event)
    if (catalogue.has(event.type)) state = evolveSession(state, decode(event) as unknown as FoldedEvent)
  }
  const last = events.at(-1)
  if (!last) return undefined
  const published = await flows.find(tenant, state.flowId, state.flowVersion)
  const session = published
    ? sessionView(
        sessionId,
        tenant,
        state,
        flowOfSession(published.flow, state),
        last.revision,
        last.metadata.occurredAt,
      )
    : null
  return { session, events }
}
