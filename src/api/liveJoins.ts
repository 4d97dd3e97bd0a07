import type { Presence } from '../services/presence.ts'
import type { Join } from './liveJoin.ts'

export interface Joined {
  readonly join: Join
  readonly userId: string | null
}

/** The sessions that one socket has joined, and among whose watchers it counts. */
export class LiveJoins {
  readonly #presence: Presence
  readonly #tenant: string
  readonly #joined = new Map<string, Joined>()

  constructor(presence: Presence, tenant: string) {
    this.#presence = presence
    this.#tenant = tenant
  }

  get size(): number {
    return this.#joined.size
  }

  add(sessionId: string, joined: Joined): void {
    this.#joined.set(sessionId, joined)
    this.#presence.enter('session', this.#tenant, sessionId)
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
    this.#presence.leave('session', this.#tenant, sessionId)
  }

  leaveAll(keep: (joined: Joined) => boolean = () => false): void {
    for (const [sessionId, joined] of this.#joined) if (!keep(joined)) this.leave(sessionId)
  }

  /** Revision of the last event sent of each. */
  sent(): { readonly sessionId: string; readonly sent: number }[] {
    return [...this.#joined].map(([sessionId, { join }]) => ({ sessionId, sent: join.sent }))
  }
}
