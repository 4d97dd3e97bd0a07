import { appendVerdict, type Expected, type Verdict } from './verdict.ts'

/** What a client proposes to write; bytes as they came over the wire. */
export interface Proposed {
  readonly id: string
  readonly type: string
  readonly contentType: string
  readonly data: Uint8Array
  readonly metadata: Uint8Array
}

export interface Recorded extends Proposed {
  readonly stream: string
  readonly revision: number
  /** Commit and prepare position, which are the same for everything written over gRPC. */
  readonly position: number
  /** Milliseconds since the epoch. */
  readonly created: number
}

export interface StreamState {
  readonly events: Recorded[]
  /** `soft` hides what was written, `hard` is a tombstone for ever. */
  deleted?: 'soft' | 'hard' | undefined
  /** Revisions below it are hidden (a soft delete moves it past the end). */
  hiddenBelow: number
}

/** What happened to the log, in order, so that a file of them brings it back. */
export type Change =
  | { readonly kind: 'written'; readonly events: readonly Recorded[] }
  | { readonly kind: 'deleted'; readonly stream: string; readonly how: 'soft' | 'hard' }

/** The server's log in memory: every stream, and all events in order of position. */
export class EventLog {
  readonly all: Recorded[] = []
  readonly #streams = new Map<string, StreamState>()
  readonly #watchers = new Set<() => void>()
  #nextPosition = 0
  #onChange: (change: Change) => void

  constructor(onChange: (change: Change) => void = () => {}) {
    this.#onChange = onChange
  }

  stream(name: string): StreamState | undefined {
    return this.#streams.get(name)
  }

  append(stream: string, events: readonly Proposed[], expected: Expected): Verdict {
    const verdict = appendVerdict(this.#streams.get(stream), events, expected)
    if (verdict.kind !== 'write') return verdict
    const created = Date.now()
    const written = events.map((event, index) => {
      const position = this.#nextPosition
      this.#nextPosition +=
        128 + stream.length + event.type.length + event.data.length + event.metadata.length
      return { ...event, stream, revision: verdict.firstRevision + index, position, created }
    })
    this.apply({ kind: 'written', events: written })
    this.#onChange({ kind: 'written', events: written })
    for (const wake of this.#watchers) wake()
    const last = written.at(-1)!
    return { kind: 'written', revision: last.revision, position: last.position }
  }

  delete(stream: string, how: 'soft' | 'hard'): void {
    this.apply({ kind: 'deleted', stream, how })
    this.#onChange({ kind: 'deleted', stream, how })
  }

  /** Takes a change as it happened, without judging it. */
  apply(change: Change): void {
    if (change.kind === 'deleted') {
      const state = this.#stateOf(change.stream)
      state.deleted = change.how
      state.hiddenBelow = state.events.length
      return
    }
    for (const event of change.events) {
      const state = this.#stateOf(event.stream)
      if (state.deleted === 'soft') state.deleted = undefined
      state.events.push(event)
      this.all.push(event)
      this.#nextPosition = Math.max(
        this.#nextPosition,
        event.position +
          128 +
          event.stream.length +
          event.type.length +
          event.data.length +
          event.metadata.length,
      )
    }
  }

  /** Index into `all` of the first event at or after a position. */
  indexAt(position: number): number {
    let low = 0
    let high = this.all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.all[middle]!.position < position) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Calls `wake` after each append until the answered function is called. */
  watch(wake: () => void): () => void {
    this.#watchers.add(wake)
    return () => this.#watchers.delete(wake)
  }

  #stateOf(stream: string): StreamState {
    let state = this.#streams.get(stream)
    if (!state) {
      state = { events: [], hiddenBelow: 0 }
      this.#streams.set(stream, state)
    }
    return state
  }
}
