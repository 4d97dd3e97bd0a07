import { type AddressInfo, connect } from 'node:net'
import { fastify } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createLoad, watchLoad } from '../../src/api/load.ts'

/** A node that answers so many a second, one after the other, and is asked so often, for some seconds. */
function simulate({ capacity, asked, seconds }: { capacity: number; asked: number; seconds: number }) {
  let at = 0
  const load = createLoad(() => at)
  const queue: number[] = []
  const waits: number[] = []
  let due = 0
  let served = 0
  let refused = 0
  const run = (rate: number, untilMs: number) => {
    for (; at < untilMs; at++) {
      for (due += rate / 1000; due >= 1; due--) {
        load.begun()
        if (load.full) {
          refused += 1
          load.ended(0, false)
        } else queue.push(at)
      }
      for (served += capacity / 1000; served >= 1 && queue.length > 0; served--) {
        const wait = at - queue.shift()!
        waits.push(wait)
        load.ended(wait, true)
      }
      served = Math.min(served, 1)
    }
  }
  const quantile = (p: number) => [...waits].sort((a, b) => a - b)[Math.floor(waits.length * p)] ?? 0
  run(asked, seconds * 1000)
  return { quantile, refused: () => refused, answered: () => waits.length, run }
}

describe('asked for more than it can do, a node', () => {
  test.each([300, 1500, 5000])('that can do %i a second refuses the rest and answers in time', (capacity) => {
    const usual = simulate({ capacity, asked: capacity * 0.8, seconds: 3 })
    expect(usual.refused()).toBe(0)
    const before = usual.answered()
    usual.run(capacity * 10, 13_000)
    expect(usual.quantile(0.99)).toBeLessThan(1000)
    expect(usual.answered() - before).toBeGreaterThan(capacity * 9)
    expect(usual.refused()).toBeGreaterThan(capacity * 80)
  })

  test('takes everything again once it is asked for less', () => {
    const node = simulate({ capacity: 1000, asked: 10_000, seconds: 5 })
    node.run(500, 7000)
    const refused = node.refused()
    node.run(800, 15_000)
    expect(node.refused()).toBe(refused)
  })
})

test('a burst that is answered at once is not refused, however large', () => {
  let at = 0
  const load = createLoad(() => at)
  for (let n = 0; n < 1500; n++) {
    load.begun()
    expect(load.full).toBe(false)
  }
  at = 50
  for (let n = 0; n < 1500; n++) load.ended(50, true)
})

test('when nothing is answered at all, so many wait and no more', () => {
  let at = 0
  const load = createLoad(() => at)
  let letIn = 0
  for (; at < 10_000; at++) {
    load.begun()
    if (load.full) load.ended(0, false)
    else letIn += 1
  }
  expect(letIn).toBeLessThanOrEqual(2000)
})

test('who leaves in the middle of a request is no longer counted', async () => {
  const app = fastify()
  const load = watchLoad(app)
  app.post('/', async () => 'done')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
    return socket
  })
  await expect.poll(() => load.underWay).toBe(10)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => load.underWay).toBe(0)
  const answered = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '' })
  expect(answered.status).toBe(200)
  await expect.poll(() => load.underWay).toBe(0)
  await app.close()
})
