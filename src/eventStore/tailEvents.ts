import type { StoredEvent } from '../domain/envelope.ts'
import { roughSize } from '../domain/json.ts'
import { comparePositions, type Position } from '../domain/position.ts'

/** An event as the tail has it: it is made when somebody wants it, which of what is appended here is often nobody. */
export interface TailEvent {
  readonly stream: string
  readonly type: string
  readonly position: Position
  /** Of its data, roughly, in characters. */
  readonly size: number
  event(): StoredEvent
}

/** Index of the first event after the position, by halving. */
export function firstAfter(events: readonly Pick<TailEvent, 'position'>[], position: Position): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (comparePositions(events[middle]!.position, position) > 0) high = middle
    else low = middle + 1
  }
  return low
}

/** One that was read from the log. */
export class ReadEvent implements TailEvent {
  readonly #event: StoredEvent

  constructor(event: StoredEvent) {
    this.#event = event
  }

  get stream(): string {
    return this.#event.stream
  }
  get type(): string {
    return this.#event.type
  }
  get position(): Position {
    return this.#event.position
  }
  get size(): number {
    return roughSize(this.#event.data)
  }
  event(): StoredEvent {
    return this.#event
  }
}
