import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createGathering } from '../../src/eventStore/postgresGather.ts'

/** Writers whose groups come back when they are told to. */
function writers(most = 2) {
  const groups: number[] = []
  const underWay: (() => void)[] = []
  let queue = 0
  const look = createGathering({
    most,
    waiting: (upTo) => Math.min(queue, upTo),
    underWay: () => underWay.length,
    send() {
      groups.push(queue)
      queue = 0
      underWay.push(look)
    },
  })
  return {
    groups,
    append(events = 1) {
      queue += events
      look()
    },
    /** The oldest group came back. */
    answer: () => underWay.shift()!(),
    look,
  }
}

const turn = () => new Promise(setImmediate)
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await turn()
}

test('who is alone does not wait for anybody', async () => {
  const { append, groups } = writers()
  append()
  await turns(3)
  expect(groups).toEqual([1])
})

test('while each turn of the event loop brings more, they go together', async () => {
  const { append, groups } = writers()
  for (let i = 0; i < 8; i++) {
    append()
    await turn()
  }
  await turns(3)
  expect(groups).toEqual([8])
})

test('however many come, none waits long for more, and a large group goes at once', async () => {
  const slow = writers(1)
  const begun = performance.now()
  while (slow.groups.length === 0) {
    slow.append()
    const until = performance.now() + 1
    while (performance.now() < until);
    await turn()
  }
  expect(slow.groups[0]).toBeLessThan(12)
  expect(performance.now() - begun).toBeLessThan(200)

  const large = writers()
  large.append(40)
  await turn()
  expect(large.groups).toEqual([40])
})

test('few wait for the group on its way; many go beside it', async () => {
  const { append, answer, groups } = writers()
  append()
  await turns(3)
  append(5)
  await turns(3)
  append(6)
  await turns(3)
  expect(groups).toEqual([1])
  answer()
  await turns(3)
  expect(groups).toEqual([1, 11])
  append(32)
  await turns(3)
  expect(groups).toEqual([1, 11, 32])
  append(32)
  await turns(3)
  expect(groups).toHaveLength(3)
})

test('a group that does not come back keeps few others waiting no longer than a tenth of a second', async () => {
  const { append, groups, look } = writers()
  append()
  await turns(3)
  append(2)
  await delay(120)
  look()
  await turns(3)
  expect(groups).toEqual([1, 2])
})
