import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createLocalPresence, type Presence, presenceKey } from './presence.ts'

export interface RedisPresenceOptions {
  readonly redisUrl: string
  readonly onError: (error: unknown) => void
  /** A node that has not said for this long that it is alive counts no more. */
  readonly aliveMs?: number
}

/** A key that is written again when its node's count changes lives this long; nodes renew theirs in half of it. */
const KEY_SECONDS = 3600

/**
 * Counts over all nodes: a hash a session or user, with each node's own count in a field of its own, and a key a node that says that
 * it is alive. A killed node's fields remain and count for nothing once its key has run out. While Redis cannot be
 * reached the counts are this node's.
 */
export function createRedisPresence({ redisUrl, onError, aliveMs = 15_000 }: RedisPresenceOptions): Presence {
  const node = randomUUID()
  const redis = new Redis(redisUrl, {
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    connectTimeout: 2000,
    commandTimeout: 2000,
    retryStrategy: (times) => Math.min(times * 200, 5000),
  })
  redis.on('error', onError)
  const keyOf = (key: string) => `gangway:presence:${key}`
  const aliveKey = (name: string) => `gangway:node:${name}`

  const write = (key: string, count: number) => {
    if (redis.status !== 'ready') return
    const field =
      count > 0
        ? redis.multi().hset(keyOf(key), node, count).expire(keyOf(key), KEY_SECONDS).exec()
        : redis.hdel(keyOf(key), node)
    field.catch(onError)
  }
  const local = createLocalPresence(write)
  const renew = () => {
    for (const [key, count] of local.counts) write(key, count)
  }
  const sayAlive = () => {
    if (redis.status === 'ready') redis.set(aliveKey(node), '1', 'PX', aliveMs).catch(onError)
  }
  // After a restart of Redis nothing may be left of what was written.
  redis.on('ready', () => {
    sayAlive()
    renew()
  })
  const alive = setInterval(sayAlive, aliveMs / 3).unref()
  const renewal = setInterval(renew, (KEY_SECONDS / 2) * 1000).unref()

  return {
    enter: local.enter,
    leave: local.leave,
    async count(kind, tenant, id) {
      const own = await local.count(kind, tenant, id)
      if (redis.status !== 'ready') return own
      try {
        const key = keyOf(presenceKey(kind, tenant, id))
        const fields = Object.entries(await redis.hgetall(key)).filter(([name]) => name !== node)
        if (fields.length === 0) return own
        const living = await redis.mget(fields.map(([name]) => aliveKey(name)))
        const dead = fields.filter((_, i) => living[i] === null).map(([name]) => name)
        if (dead.length > 0) redis.hdel(key, ...dead).catch(onError)
        return fields.reduce((sum, [, count], i) => (living[i] === null ? sum : sum + Number(count)), own)
      } catch (error) {
        onError(error)
        return own
      }
    },
    async close() {
      clearInterval(alive)
      clearInterval(renewal)
      if (redis.status === 'ready') await redis.del(aliveKey(node)).catch(() => {})
      redis.disconnect()
    },
  }
}
