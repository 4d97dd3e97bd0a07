import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLocalRateLimiter } from '../../src/services/rateLimit.ts'
import { createRedisRateLimiter } from '../../src/services/rateLimitRedis.ts'
import { noRedis, startRedis, type TestRedis } from '../support/redis.ts'
import { tcpProxy } from '../support/tcpProxy.ts'

const NOON = Date.parse('2026-01-01T12:00:00Z')

test('in one process a caller has so many requests in each minute', async () => {
  let now = NOON + 15_000
  const limiter = createLocalRateLimiter(2, () => now)
  expect([limiter.take('a'), limiter.take('a'), limiter.take('a'), limiter.take('b')]).toEqual([
    undefined,
    undefined,
    45,
    undefined,
  ])
  now += 44_999
  expect(limiter.take('a')).toBe(1)
  now += 1
  expect(limiter.take('a')).toBeUndefined()
})

interface Line {
  readonly level: 'warn' | 'info'
  readonly text: string
}

function logged() {
  const lines: Line[] = []
  return {
    lines,
    warn: (_: object, text: string) => lines.push({ level: 'warn', text }),
    info: (text: string) => lines.push({ level: 'info', text }),
  }
}

describe.skipIf(noRedis)('over Redis', () => {
  let redis: TestRedis

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  const until = async (is: () => boolean | Promise<boolean>) => {
    for (let i = 0; i < 300 && !(await is()); i++) await new Promise((wake) => setTimeout(wake, 20))
    expect(await is()).toBe(true)
  }

  test('nodes count together', async () => {
    const nodes = [1, 2].map(() => createRedisRateLimiter(10, redis.url, logged(), () => NOON))
    const caller = randomUUID()
    for (const [n, node] of nodes.entries())
      await until(async () => (await node.take(`${n} ${caller}`)) !== undefined)
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => nodes[n % 2]!.take(caller)))
    expect(answers.filter((wait) => wait === undefined)).toHaveLength(10)
    expect(answers.filter((wait) => wait === 60)).toHaveLength(20)
    for (const node of nodes) await node.close()
  })

  test('without an answer requests go on, nobody is held up, and it is said once', async () => {
    const { hostname, port } = new URL(redis.url)
    const proxy = await tcpProxy({ host: hostname, port: Number(port) })
    const log = logged()
    const limiter = createRedisRateLimiter(1, `redis://127.0.0.1:${proxy.port}`, log, () => NOON)
    const caller = randomUUID()
    await until(async () => (await limiter.take(caller)) !== undefined)
    proxy.stall()
    const began = performance.now()
    for (let i = 0; i < 300; i++) expect(await limiter.take(caller)).toBeUndefined()
    // Each waiting for its own answer would have taken half a minute.
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(log.lines).toEqual([{ level: 'warn', text: 'Redis is out of reach: requests are not counted' }])
    proxy.heal()
    await until(async () => (await limiter.take(caller)) !== undefined)
    expect(log.lines.at(-1)).toEqual({ level: 'info', text: 'Redis is back: requests are counted again' })
    await limiter.close()
    await proxy.close()
  })
})
