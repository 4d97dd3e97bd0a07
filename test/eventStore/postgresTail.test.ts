import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { JsonObject } from '../../src/domain/json.ts'
import type { EventStore } from '../../src/eventStore/eventStore.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { events, followerOf, newStream, readAllOf, signals } from './contractSupport.ts'

/** What a node appends itself its followers get without reading it back: nobody may see a difference. */

let database: TestDatabase
let nodes: EventStore[]
beforeAll(async () => {
  database = await freshDatabase()
  const { connectionString } = database
  nodes = await Promise.all([1, 2].map(() => createPostgresEventStore({ connectionString })))
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()))
  await database.drop()
})

const odd: JsonObject[] = [
  { signal: 'é\u2028\u0000"\\', value: -0 },
  { signal: 'x', properties: { z: 1e21, '10': [null, { '': 5e-324 }], a: '🙂' } },
  { signal: 'x', value: 1, properties: undefined as never },
]

test('followers of two nodes that write at once are given what the log holds, in its order and once', async () => {
  const from = await nodes[0]!.head()
  let ownWork = 0
  const followers = nodes.flatMap((node, n) => [
    followerOf(node, { from, pageSize: 7 }),
    // One that takes its time, and one that is only told of some.
    followerOf(node, { from }, () => delay(3 + n)),
    followerOf(node, { from, categories: ['flow'] }),
  ])
  const write = async (node: EventStore, n: number) => {
    await delay(n % 17)
    const stream = newStream('writers', n % 5 === 0 ? 'flow' : 'session')
    const begun = signals(stream, 1 + (n % 3))
    const data = n % 4 === 0 ? odd : [{ signal: 'more', value: n }]
    const { chain } = begun.at(-1)!.metadata
    await node.append(stream, begun, 'no_stream')
    await node.append(stream, events(stream, data, { revision: begun.length - 1, chain }), begun.length - 1)
    // Refused, and a repeat: neither is anything new.
    await node.append(stream, signals(stream, 2), 70)
    await node.append(stream, begun, 'no_stream')
    if (n % 40 === 0) {
      const many = newStream('writers')
      await node.append(many, signals(many, 450), 'no_stream')
    }
    ownWork += 1
  }
  await Promise.all(Array.from({ length: 300 }, (_, n) => write(nodes[n % 2]!, n)))
  expect(ownWork).toBe(300)

  const held = await readAllOf(nodes[0]!, { from })
  const flows = held.filter(({ stream }) => stream.startsWith('flow-'))
  const last = await nodes[0]!.head()
  for (const [n, follower] of followers.entries()) {
    await follower.until(({ seen }) => seen.at(-1)?.through === last)
    expect(follower.events()).toEqual(n % 3 === 2 ? flows : held)
    await follower.stop()
  }
})

test('who comes back to the end after a while is told of what was appended meanwhile', async () => {
  const [writer, reader] = nodes as [EventStore, EventStore]
  // Else it would be found a quarter of a second later, when the log is looked at anyway.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const from = await writer.head()
  let busy = Promise.resolve()
  const follower = followerOf(reader, { from }, () => busy)
  const append = async () => {
    const stream = newStream()
    await writer.append(stream, signals(stream, 1), 'no_stream')
  }
  await follower.until(({ seen }) => seen.length > 0)
  busy = delay(100)
  await append()
  await follower.until(({ seen }) => seen.some(({ kind }) => kind === 'events'))
  for (let n = 0; n < 5; n++) await append()
  await busy
  await follower.until((one) => one.events().length === 6)
  await follower.stop()
})
