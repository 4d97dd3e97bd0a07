import type { Join } from './liveJoin.ts'

export interface Joined {
  readonly join: Join
  readonly userId: string | null
  readonly stopCounting: () => void
}

/** The sessions that one socket has joined. */
export class LiveJoins {
  readonly #joined = new Map<string, Joined>()

  get size(): number {
    return this.#joined.size
  }

  add(sessionId: string, joined: Joined): void {
    this.#joined.set(sessionId, joined)
  }

  /** Whether it is this time that the session is joined, and not a later one. */
  has(sessionId: string, joined: Joined): boolean {
    return this.#joined.get(sessionId) === joined
  }

  leave(sessionId: string): void {
    const joined = this.#joined.get(sessionId)
    if (!joined) return
    this.#joined.delete(sessionId)
    joined.join.leave()
    joined.stopCounting()
  }

  leaveAll(keep: (joined: Joined) => boolean = () => false): void {
    for (const [sessionId, joined] of this.#joined) if (!keep(joined)) this.leave(sessionId)
  }

  /** Revision of the last event sent of each. */
  sent(): { readonly sessionId: string; readonly sent: number }[] {
    return [...this.#joined].map(([sessionId, { join }]) => ({ sessionId, sent: join.sent }))
  }
}
