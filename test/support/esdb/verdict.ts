import type { Proposed, StreamState } from './log.ts'

/** Largest append, all events together (the server's default). */
const MAX_APPEND_SIZE = 1024 * 1024

export type Expected = number | 'no_stream' | 'any' | 'stream_exists'

export type Verdict =
  | { readonly kind: 'write'; readonly firstRevision: number }
  | { readonly kind: 'written'; readonly revision: number; readonly position: number }
  | { readonly kind: 'wrongExpected'; readonly expected: Expected; readonly current: number | 'no_stream' }
  | { readonly kind: 'streamDeleted' }
  | { readonly kind: 'tooLarge' }

/**
 * What EventStoreDB answers to an append, as measured on 23.10: a repeat is known by its ids where the expected revision is below the
 * current one, data is not compared, and an expected revision that equals the current one writes without looking at ids.
 */
export function appendVerdict(
  state: StreamState | undefined,
  events: readonly Proposed[],
  expected: Expected,
): Verdict {
  if (state?.deleted === 'hard') return { kind: 'streamDeleted' }
  if (sizeOf(events) > MAX_APPEND_SIZE) return { kind: 'tooLarge' }
  const last = (state?.events.length ?? 0) - 1
  const seemsMissing = last < 0 || state?.deleted === 'soft'
  if (events.length === 0) return { kind: 'written', revision: Math.max(last, 0), position: 0 }
  const wrong: Verdict = { kind: 'wrongExpected', expected, current: seemsMissing ? 'no_stream' : last }

  if (expected === 'any' || expected === 'stream_exists') {
    if (expected === 'stream_exists' && seemsMissing) return wrong
    const first = state?.events.findIndex((event) => event.id === events[0]!.id) ?? -1
    if (first < 0) return { kind: 'write', firstRevision: last + 1 }
    return repeatAt(state, first, events) ?? wrong
  }
  if (expected === 'no_stream') {
    if (seemsMissing) return { kind: 'write', firstRevision: last + 1 }
    return repeatAt(state, 0, events) ?? wrong
  }
  if (expected > last) return wrong
  if (expected < last) return repeatAt(state, expected + 1, events) ?? wrong
  return { kind: 'write', firstRevision: last + 1 }
}

/** The first outcome, when the stream holds exactly these ids from a revision on. */
function repeatAt(
  state: StreamState | undefined,
  revision: number,
  events: readonly Proposed[],
): Verdict | undefined {
  if (!events.every((event, index) => state?.events[revision + index]?.id === event.id)) return undefined
  const last = state!.events[revision + events.length - 1]!
  return { kind: 'written', revision: last.revision, position: last.position }
}

function sizeOf(events: readonly Proposed[]): number {
  let size = 0
  for (const event of events) size += event.data.length + event.metadata.length + 2 * event.type.length
  return size
}
