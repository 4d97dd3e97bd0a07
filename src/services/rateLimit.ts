/** Counts a caller's requests. */
export interface RateLimiter {
  /** Undefined while the caller may go on, else the seconds to wait. */
  take(caller: string): number | undefined | Promise<number | undefined>
  close(): Promise<void>
}

export const WINDOW_MS = 60_000

/** Windows of a minute for each caller, in this process. */
export function createLocalRateLimiter(perMinute: number, now: () => number = Date.now): RateLimiter {
  let counts = new Map<string, number>()
  let window = 0
  return {
    take(caller) {
      const at = now()
      const current = Math.floor(at / WINDOW_MS)
      if (current !== window) {
        counts = new Map()
        window = current
      }
      const count = (counts.get(caller) ?? 0) + 1
      counts.set(caller, count)
      return count > perMinute ? secondsLeft(at) : undefined
    },
    close: async () => {},
  }
}

/** Seconds until the next window. */
export const secondsLeft = (at: number) => Math.max(1, Math.ceil((WINDOW_MS - (at % WINDOW_MS)) / 1000))
