import { describe, expect, test } from 'vitest'
import { createLoad } from '../../src/api/load.ts'

/** A node that answers so many a second, one after the other, and is asked so often, for some seconds. */
function simulate({
  capacity,
  asked,
  seconds,
  gust = 1,
}: {
  capacity: number
  asked: number
  seconds: number
  /** Milliseconds between the moments at which it answers. */
  gust?: number
}) {
  let at = 0
  const load = createLoad(() => at)
  const queue: { since: number; answer: (done: boolean) => void }[] = []
  const waits: number[] = []
  let due = 0
  let served = 0
  let refused = 0
  const ask = () => {
    if (load.full) refused += 1
    else queue.push({ since: at, answer: load.begun() })
  }
  const run = (rate: number, untilMs: number) => {
    for (; at < untilMs; at++) {
      for (due += rate / 1000; due >= 1; due--) ask()
      served += capacity / 1000
      if (at % gust !== 0) continue
      for (; served >= 1 && queue.length > 0; served--) {
        const { since, answer } = queue.shift()!
        waits.push(at - since)
        answer(true)
      }
      served = Math.min(served, 1)
    }
  }
  const burst = (count: number) => {
    for (let n = 0; n < count; n++) ask()
  }
  const quantile = (p: number) => [...waits].sort((a, b) => a - b)[Math.floor(waits.length * p)] ?? 0
  run(asked, seconds * 1000)
  return { quantile, refused: () => refused, answered: () => waits.length, run, burst }
}

describe('asked for more than it can do, a node', () => {
  test.each([300, 1500, 5000])('that can do %i a second refuses the rest and answers in time', (capacity) => {
    const usual = simulate({ capacity, asked: capacity * 0.8, seconds: 3 })
    expect(usual.refused()).toBe(0)
    const before = usual.answered()
    usual.run(capacity * 10, 13_000)
    expect(usual.quantile(0.99)).toBeLessThan(900)
    expect(usual.answered() - before).toBeGreaterThan(capacity * 9)
    expect(usual.refused()).toBeGreaterThan(capacity * 80)
  })

  test('that answers in gusts does not take a gust for what it can do', () => {
    const node = simulate({ capacity: 300, asked: 280, seconds: 3, gust: 500 })
    const before = node.answered()
    node.run(3000, 23_000)
    expect(node.quantile(0.99)).toBeLessThan(1000)
    expect(node.answered() - before).toBeGreaterThan(300 * 20 * 0.4)
  })

  test('takes everything again once it is asked for less', () => {
    const node = simulate({ capacity: 1000, asked: 10_000, seconds: 5 })
    node.run(500, 7000)
    const refused = node.refused()
    node.run(800, 15_000)
    expect(node.refused()).toBe(refused)
  })

  test('lets in no more of a burst than it can answer in time, once it has seen a queue', () => {
    const node = simulate({ capacity: 300, asked: 600, seconds: 3 })
    node.run(100, 4000)
    const refused = node.refused()
    node.burst(2000)
    expect(node.refused() - refused).toBeGreaterThan(1850)
    node.run(100, 6000)
    expect(node.quantile(1 - 1e-9)).toBeLessThan(1000)
  })
})

test('a burst that is answered at once is not refused, however much less was asked before', () => {
  const node = simulate({ capacity: 100_000, asked: 20, seconds: 10 })
  for (let n = 0; n < 5; n++) {
    node.burst(900)
    node.run(20, 11_000 + n * 1000)
  }
  expect(node.refused()).toBe(0)
})

test('what was learned from a queue long ago refuses nobody', () => {
  const node = simulate({ capacity: 100, asked: 500, seconds: 5 })
  node.run(10, 16_000)
  const refused = node.refused()
  node.burst(200)
  expect(node.refused()).toBe(refused)
})

test('when nothing is answered at all, so many wait and no more', () => {
  let at = 0
  const load = createLoad(() => at)
  let letIn = 0
  for (; at < 10_000; at++)
    if (!load.full) {
      load.begun()
      letIn += 1
    }
  expect(letIn).toBeLessThanOrEqual(1000)
})

test('a node that answers nobody for a while does not forget what it could do', () => {
  let at = 0
  const load = createLoad(() => at)
  const asked: ((done: boolean) => void)[] = []
  const ask = () => {
    if (!load.full) asked.push(load.begun())
  }
  // 300 a second, of 3,000
  for (; at < 4000; at++) {
    for (let n = 0; n < 3; n++) ask()
    if (at % 10 < 3) asked.shift()?.(true)
  }
  const before = load.underWay
  for (; at < 14_000; at++) for (let n = 0; n < 3; n++) ask()
  expect(before).toBeLessThan(120)
  expect(load.underWay).toBeLessThan(120)
})
