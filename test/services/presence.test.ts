import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLocalPresence, type Presence } from '../../src/services/presence.ts'
import { createRedisPresence } from '../../src/services/presenceRedis.ts'
import { noRedis, startRedis, type TestRedis } from '../support/redis.ts'

const within = { timeout: 10_000 }

test('a node counts who enters and leaves', async () => {
  const presence = createLocalPresence()
  presence.enter('user', 'acme', 'ada')
  presence.enter('user', 'acme', 'ada')
  presence.enter('session', 'acme', 'ada')
  expect(await presence.count('user', 'acme', 'ada')).toBe(2)
  presence.leave('user', 'acme', 'ada')
  expect(await presence.count('user', 'acme', 'ada')).toBe(1)
  presence.leave('user', 'acme', 'ada')
  expect(await presence.count('user', 'acme', 'ada')).toBe(0)
  expect(presence.counts.size).toBe(1)
})

test('tenants whose names look like another’s with its id are apart', async () => {
  const presence = createLocalPresence()
  presence.enter('user', 'a:b', 'c')
  expect(await presence.count('user', 'a', 'b:c')).toBe(0)
})

describe.skipIf(noRedis)(`over several nodes with Redis${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  let redis: TestRedis
  let nodes: [Presence, Presence]
  const tenant = `t${Date.now()}`

  beforeAll(async () => {
    redis = await startRedis()
    const node = () => createRedisPresence({ redisUrl: redis.url, onError: () => {}, aliveMs: 900 })
    nodes = [node(), node()]
  })
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()))
    await redis.stop()
  })
  const counts = async (id: string) => Promise.all(nodes.map((node) => node.count('session', tenant, id)))

  test('every node counts all of them', async () => {
    nodes[0].enter('session', tenant, 's1')
    nodes[0].enter('session', tenant, 's1')
    nodes[1].enter('session', tenant, 's1')
    await expect.poll(() => counts('s1'), within).toEqual([3, 3])
    nodes[0].leave('session', tenant, 's1')
    await expect.poll(() => counts('s1'), within).toEqual([2, 2])
  })

  test('a node that was killed counts no more after a while', async () => {
    const killed = fork(new URL('../support/presenceNode.ts', import.meta.url), [redis.url, tenant, 's2'])
    await once(killed, 'message')
    nodes[0].enter('session', tenant, 's2')
    await expect.poll(() => counts('s2'), within).toEqual([2, 2])
    killed.kill('SIGKILL')
    await expect.poll(() => counts('s2'), within).toEqual([1, 1])
  })

  test('while Redis is away each node counts its own, and all again when it is back with nothing in it', async () => {
    if (!redis.own) return
    nodes[0].enter('session', tenant, 's3')
    nodes[1].enter('session', tenant, 's3')
    await expect.poll(() => counts('s3'), within).toEqual([2, 2])
    await redis.kill()
    await expect.poll(() => counts('s3'), within).toEqual([1, 1])
    nodes[1].enter('session', tenant, 's3')
    await redis.start()
    await expect.poll(() => counts('s3'), within).toEqual([3, 3])
  })
})
