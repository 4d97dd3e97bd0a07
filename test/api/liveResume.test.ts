import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { connect, type LiveNode, startLiveNode, token } from '../support/liveNode.ts'
import { record, signal } from '../support/log.ts'

let database: TestDatabase
let nodes: [LiveNode, LiveNode]
let ada: string
let count = 0

beforeAll(async () => {
  database = await freshDatabase()
  const more = { limits: { framesPerSecond: 1000 } }
  const node = () => startLiveNode(database.connectionString, more)
  nodes = [await node(), await node()]
  ada = await token('ada')
})

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  await database.drop()
})

const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

async function newSession(): Promise<string> {
  const id = `r${++count}`
  const started = {
    type: 'SessionStarted',
    data: { flowId: 'f', flowVersion: 1, userId: 'ada', context: {} },
  }
  await record(nodes[0].deps.store, 'acme', id, [started])
  return id
}

/** Appends without pause, one to five events at a time, until it has that many; answers the last revision. */
async function storm(id: string, events: number, node = nodes[0]): Promise<number> {
  let revision = 0
  while (revision < events) {
    const batch = range(0, Math.floor(Math.random() * 5)).map((i) => signal(`n${i}`))
    revision = (await record(node.deps.store, 'acme', id, batch)).revision
  }
  return revision
}

async function join(node: LiveNode, id: string, after: number) {
  const client = connect(node.url, { token: ada })
  await client.next('connected')
  client.send('join_session', { sessionId: id, after })
  return client
}

test('whoever joins during a storm of appends, on any node, sees each event once and in order', async () => {
  const id = await newSession()
  const writing = storm(id, 600)
  const clients = await Promise.all(
    range(0, 29).map(async (i) => {
      await delay(Math.random() * 500)
      const after = i % 3 === 0 ? -1 : Math.floor(Math.random() * 50)
      return { after, client: await join(nodes[i % 2]!, id, after) }
    }),
  )
  const last = await writing
  for (const { after, client } of clients) {
    await client.until(({ seq }) => seq === last)
    expect(client.seqs()).toEqual(range(after + 1, last))
    await client.close()
  }
})

test('joining again and again on one socket during a storm, each time after the last seq, misses and repeats nothing', async () => {
  const id = await newSession()
  const writing = storm(id, 400)
  const client = await join(nodes[1], id, -1)
  let done = false
  writing.then(() => {
    done = true
  })
  for (let i = 0; !done && i < 30; i++) {
    await delay(10)
    client.send('leave_session', { sessionId: id })
    client.send('get_progress', { sessionId: 'none' })
    const errors = client.frames.filter(({ event }) => event === 'error').length
    await client.until(() => client.frames.filter(({ event }) => event === 'error').length > errors)
    client.send('join_session', { sessionId: id, after: client.seqs().at(-1) ?? -1 })
  }
  const last = await writing
  await client.until(({ seq }) => seq === last)
  expect(client.seqs()).toEqual(range(0, last))
  await client.close()
})

test('a client that loses its connection at any moments and resumes after the last seq it got sees each event once', async () => {
  const moments = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 60 }), node: fc.constantFrom(0, 1) }), {
    minLength: 1,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(moments, async (breaks) => {
      const id = await newSession()
      const writing = storm(id, 150)
      const seen: number[] = []
      for (const { ms, node } of breaks) {
        const client = connect(nodes[node]!.url, { token: ada })
        client.ws.once('open', () => client.send('join_session', { sessionId: id, after: seen.at(-1) ?? -1 }))
        await delay(ms)
        // No goodbye, as when a network breaks.
        client.ws.terminate()
        await client.closed()
        seen.push(...client.seqs())
      }
      const last = await writing
      const client = await join(nodes[0], id, seen.at(-1) ?? -1)
      if ((seen.at(-1) ?? -1) < last) await client.until(({ seq }) => seq === last)
      expect([...seen, ...client.seqs()]).toEqual(range(0, last))
      await client.close()
    }),
    { numRuns: 15 },
  )
}, 180_000)

test('two nodes send the same frames, and a ticket of one opens a socket on the other', async () => {
  const id = await newSession()
  const [here, there] = [await join(nodes[0], id, -1), await join(nodes[1], id, -1)]
  const last = await storm(id, 40, nodes[1])
  await here.until(({ seq }) => seq === last)
  await there.until(({ seq }) => seq === last)
  const events = ({ frames }: typeof here) => frames.filter(({ seq }) => seq !== undefined)
  expect(events(here)).toEqual(events(there))
  await Promise.all([here.close(), there.close()])

  const answer = await fetch(`${nodes[0].url}/onboarding/ticket`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada}` },
  })
  const { ticket } = (await answer.json()) as { ticket: string }
  const client = connect(nodes[1].url, { ticket })
  await client.next('connected')
  await client.close()
})

test('a node whose connections to the database break goes on where it was', async () => {
  const id = await newSession()
  const client = await join(nodes[0], id, -1)
  const admin = new pg.Client({ connectionString: database.connectionString })
  await admin.connect()
  const writing = storm(id, 200, nodes[1])
  for (let i = 0; i < 4; i++) {
    await delay(60)
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
          and query like 'listen%' or application_name like 'gangway: read%' or application_name like '%tail%'`,
    )
  }
  const last = await writing
  await client.until(({ seq }) => seq === last)
  expect(client.seqs()).toEqual(range(0, last))
  await admin.end()
  await client.close()
})

test('a thousand sockets that come and go leave nothing behind', async () => {
  const id = await newSession()
  const sockets = async () => nodes[1].deps.metrics.registry.getSingleMetricAsString('gangway_sockets')
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(range(1, 100).map(() => join(nodes[1], id, -1)))
    await Promise.all(clients.map((client) => client.until(({ seq }) => seq === 0)))
    for (const client of clients) client.ws.terminate()
    await Promise.all(
      clients.map((client) => (client.ws.readyState === 3 ? undefined : once(client.ws, 'close'))),
    )
  }
  await expect.poll(sockets, { timeout: 10_000 }).toContain('gangway_sockets 0')
  const answer = await fetch(`${nodes[1].url}/onboarding/session-clients/${id}`, {
    headers: { authorization: `Bearer ${await token('m', 'acme', ['member'])}` },
  })
  expect(await answer.json()).toEqual({ count: 0 })
})
