/** Close codes (RFC 6455 §7.4); those from 4000 on are ours, after the HTTP status they resemble. */
export const CLOSE = {
  goingAway: 1001,
  policy: 1008,
  resync: 1013,
  unauthorized: 4401,
} as const

export interface LiveLimits {
  /** Within which a socket must have authenticated. */
  readonly authenticateMs: number
  readonly heartbeatMs: number
  /** Bytes that may wait for a socket that is live before it is told to come again. */
  readonly maxBufferedBytes: number
  readonly maxJoins: number
  readonly framesPerSecond: number
}

export const DEFAULT_LIMITS: LiveLimits = {
  authenticateMs: 10_000,
  heartbeatMs: 30_000,
  maxBufferedBytes: 1024 * 1024,
  maxJoins: 100,
  framesPerSecond: 50,
}

/** So many seconds' frames may come at once. */
export const BURST_SECONDS = 4

/** A token bucket: so many frames a second, and more at once after a rest. */
export class FrameAllowance {
  #left: number
  #at: number

  constructor(perSecond: number, at: number) {
    this.#left = BURST_SECONDS * perSecond
    this.#at = at
  }

  /** `flood` once as much again was asked for in vain. */
  take(perSecond: number, at: number): 'taken' | 'refused' | 'flood' {
    const burst = BURST_SECONDS * perSecond
    const since = Math.max(0, at - this.#at) / 1000
    this.#left = Math.min(burst, this.#left + since * perSecond) - 1
    this.#at = at
    if (this.#left >= 0) return 'taken'
    return this.#left < -burst ? 'flood' : 'refused'
  }
}
