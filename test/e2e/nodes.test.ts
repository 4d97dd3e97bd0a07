import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Balancer, startBalancer } from '../support/balancer.ts'
import { Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

const jwtSecret = 'a secret that is only ever used by tests of several nodes'
const CLIENTS = 12

interface Node {
  readonly url: string
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
}

let database: TestDatabase
let folders: string
let pool: pg.Pool
const nodes: Node[] = []

beforeAll(async () => {
  database = await freshDatabase()
  folders = await mkdtemp(join(tmpdir(), 'gangway-nodes-'))
  pool = new pg.Pool({ connectionString: database.connectionString, max: 1 })
  pool.on('error', () => {})
})

afterAll(async () => {
  for (const node of nodes) node.process.kill('SIGKILL')
  await Promise.all(nodes.map(({ ended }) => ended))
  await pool.end()
  await database.drop()
  await rm(folders, { recursive: true, force: true })
})

test('nodes share what is projected, and when one is killed another goes on with its part within seconds', {
  timeout: 60_000,
}, async () => {
  const first = await startNode()
  const second = await startNode()
  await expect.poll(holders, { timeout: 30_000 }).toHaveLength(2)

  first.process.kill('SIGKILL')
  const since = performance.now()
  const member = await Client.as({ url: second.url, jwtSecret }, 'glavito', 'ann', 'member')
  const started = await member.post('/onboarding/start', { flowId: 'glavito' })
  expect(started.status).toBe(201)
  const after = started.headers.get('gangway-position')
  let list = await member.get(`/onboarding/sessions?after=${after}`)
  // A query waits for its position five seconds, which is little on a busy machine.
  if (list.status !== 200) list = await member.get(`/onboarding/sessions?after=${after}`)
  expect(list.status).toBe(200)
  expect(list.body.data).toMatchObject([{ id: started.body.id }])
  // Four as a rule: its leases run out after three, and the others look twice a second.
  expect(performance.now() - since).toBeLessThan(5000)
  expect(await holders()).toHaveLength(1)
})

test('nodes are replaced one after the other, and no request fails', { timeout: 120_000 }, async () => {
  const [old] = nodes.slice(-1)
  const other = await startNode()
  const balancer = await startBalancer([old!.url, other.url])
  const load = startLoad(balancer)
  for (const leaving of [old!, other]) {
    const next = await startNode()
    balancer.add(next.url)
    await expect.poll(() => balancer.ready(next.url), { timeout: 10_000 }).toBe(true)
    leaving.process.kill('SIGTERM')
    expect(await leaving.ended).toBe(0)
    // It said so first, while it still answered whoever had not heard yet.
    expect(balancer.lastReadiness(leaving.url)).toBe(503)
    expect(load.failures).toEqual([])
    const before = load.answered()
    await expect.poll(load.answered, { timeout: 30_000 }).toBeGreaterThan(before + 100)
  }
  await load.stop()
  await balancer.close()
  expect(load.failures).toEqual([])
})

async function startNode(): Promise<Node> {
  const process_ = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      PORT: '0',
      DATA_DIR: join(folders, String(nodes.length)),
      DATABASE_URL: database.connectionString,
      JWT_SECRET: jwtSecret,
      LOG_LEVEL: 'error',
      EVENTSTORE_URL: '',
    },
  })
  const ended = once(process_, 'exit').then(([code]) => code as number | null)
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    void ended.then((code) => reject(new Error(`the node ended with ${code}: ${said}`)))
    process_.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const found = /answers at (http:\S+)/.exec(said)
      if (found) resolve(found[1]!)
    })
  })
  const node = { url, process: process_, ended }
  nodes.push(node)
  return node
}

/** Who projects the sessions now, each with some of the partitions. */
async function holders(): Promise<string[]> {
  const { rows } = await pool.query(
    `select distinct holder from read.leases where name like 'projector sessions/%' and expires_at > clock_timestamp()`,
  )
  return rows.map(({ holder }) => holder)
}

/** People who start a session, answer and look at it, one request after the other, and what was not answered with success. */
function startLoad(balancer: Balancer) {
  const failures: string[] = []
  let stopped = false
  let answered = 0
  const person = async (n: number) => {
    const client = await Client.as({ url: balancer.url, jwtSecret }, 'glavito', `person-${n}`, 'participant')
    const ask = async (name: string, asking: ReturnType<Client['get']>) => {
      const answer = await asking.catch((error) => ({ status: 0, body: { id: '', cause: String(error) } }))
      if (answer.status >= 200 && answer.status < 300) answered += 1
      else failures.push(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
      await delay(10)
      return answer
    }
    while (!stopped && failures.length === 0) {
      const { body } = await ask('start', client.post('/onboarding/start', { flowId: 'glavito' }))
      await ask('save', client.put(`/onboarding/step/${body.id}/welcome`, { action: 'start' }))
      await ask('read', client.get(`/onboarding/session/${body.id}`))
    }
  }
  const people = Array.from({ length: CLIENTS }, (_, n) => person(n))
  return {
    failures,
    answered: () => answered,
    async stop() {
      stopped = true
      await Promise.all(people)
    },
  }
}
