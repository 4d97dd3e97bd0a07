import { Redis } from 'ioredis'
import { type RateLimiter, secondsLeft, WINDOW_MS } from './rateLimit.ts'

/** Redis must answer within this, or the request goes on uncounted, … */
const PATIENCE_MS = 100
/** … and so do all others for this long: they are not made to wait for one that is silent. */
const TRUCE_MS = 1000

/**
 * Windows of a minute for each caller over all nodes, in Redis. Without an answer from Redis requests go on: being unable to count is no reason to be down. It is
 * said once when that begins and once when it ends.
 */
export function createRedisRateLimiter(
  perMinute: number,
  url: string,
  logger: { warn(details: object, message: string): void; info(message: string): void },
  now: () => number = Date.now,
): RateLimiter {
  const redis = new Redis(url, {
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: PATIENCE_MS,
    retryStrategy: (attempt) => Math.min(attempt * 100, 3000),
  })
  let isOut = false
  let truceUntil = 0
  const noteOutage = (error: Error) => {
    truceUntil = performance.now() + TRUCE_MS
    if (!isOut) logger.warn({ err: error }, 'Redis is out of reach: requests are not counted')
    isOut = true
  }
  redis.on('error', noteOutage)
  const noteReturn = () => {
    if (isOut) logger.info('Redis is back: requests are counted again')
    isOut = false
  }
  return {
    async take(caller) {
      const at = now()
      const key = `gangway:rate:${Math.floor(at / WINDOW_MS)}:${caller}`
      if (redis.status !== 'ready' || performance.now() < truceUntil) return undefined
      try {
        const count = await redis.incr(key)
        noteReturn()
        if (count === 1) await redis.pexpire(key, 2 * WINDOW_MS)
        return count > perMinute ? secondsLeft(at) : undefined
      } catch (error) {
        noteOutage(error as Error)
        return undefined
      }
    },
    async close() {
      redis.disconnect()
    },
  }
}
