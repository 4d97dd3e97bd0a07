import { Growable } from './growable.ts'

/** What an event is: a step completed, a signal, or any other event type by its name. */
export type EventKind = 'step' | 'signal' | 'event'

export interface EventCode {
  readonly kind: EventKind
  /** The step id, the signal or the event type. */
  readonly name: string
}

/** A number for each step completed, signal and event type, in the order they are first seen. */
export class EventCodes {
  readonly codes: EventCode[] = []
  /** How many events have each code. */
  readonly counts = new Growable((length) => new Float64Array(length))
  readonly #numbers: Record<EventKind, Map<string, number>> = {
    step: new Map(),
    signal: new Map(),
    event: new Map(),
  }

  get size(): number {
    return this.codes.length
  }

  add(kind: EventKind, name: string): number {
    const known = this.#numbers[kind].get(name)
    if (known !== undefined) return known
    const code = this.codes.length
    this.codes.push({ kind, name })
    this.counts.push(0)
    this.#numbers[kind].set(name, code)
    return code
  }

  find(kind: EventKind, name: string): number | undefined {
    return this.#numbers[kind].get(name)
  }

  /** The event type of a code, as the log names it. */
  type(code: number): string {
    const { kind, name } = this.codes[code]!
    switch (kind) {
      case 'step':
        return 'StepCompleted'
      case 'signal':
        return 'SignalTracked'
      case 'event':
        return name
    }
  }
}
