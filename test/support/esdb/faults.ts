/** What the server can be told to do wrong to a call. */
export type Fault =
  /** The connection is reset before anything is done. */
  | { readonly kind: 'drop' }
  /** The call is accepted and never answered; nothing is done. */
  | { readonly kind: 'stall' }
  /** Done at once, answered late. */
  | { readonly kind: 'late'; readonly ms: number }
  /** Done late: the client may have given up before. */
  | { readonly kind: 'doneLate'; readonly ms: number }
  /** Done, and the connection is reset before the answer. */
  | { readonly kind: 'loseAnswer' }
  /** Done, and never answered. */
  | { readonly kind: 'withholdAnswer' }
  /** Done, and answered twice. */
  | { readonly kind: 'answerTwice' }
  /** A repeat is taken for a conflict, as by a server whose index has not caught up. */
  | { readonly kind: 'forgetIds' }
  /** Refused with a gRPC status; UNAVAILABLE (14) unless told. */
  | { readonly kind: 'fail'; readonly code?: number; readonly message?: string }
  /** Refused as a node that is not the leader. */
  | { readonly kind: 'notLeader'; readonly host: string; readonly port: number }
  /**
   * A read or subscription ends after so many events: cleanly, as too slow, as by a server that goes down (UNAVAILABLE), silently or
   * with its connection.
   */
  | {
      readonly kind: 'endAfter' | 'tooSlowAfter' | 'downAfter' | 'silentAfter' | 'dropAfter'
      readonly events: number
    }

export type Operation = 'append' | 'read' | 'subscribe' | 'gossip'

/** The faults to come, by operation, first in first out. */
export class Faults {
  readonly #queues = new Map<Operation, { fault: Fault; times: number }[]>()
  /** How often a fault was met. */
  met = 0

  /** The next `times` calls of the operation meet the fault; every one until `clear` when it is Infinity. */
  inject(operation: Operation, fault: Fault, times = 1): void {
    const queue = this.#queues.get(operation) ?? []
    queue.push({ fault, times })
    this.#queues.set(operation, queue)
  }

  take(operation: Operation): Fault | undefined {
    const queue = this.#queues.get(operation)
    const next = queue?.[0]
    if (!next) return undefined
    next.times -= 1
    if (next.times <= 0) queue!.shift()
    this.met += 1
    return next.fault
  }

  clear(): void {
    this.#queues.clear()
  }
}
