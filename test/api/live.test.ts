import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { streamName } from '../../src/domain/stream.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { connect, type LiveClient, type LiveNode, startLiveNode, token } from '../support/liveNode.ts'
import { record, recordIn, signal } from '../support/log.ts'

let database: TestDatabase
let node: LiveNode
let count = 0
const open: LiveClient[] = []

beforeAll(async () => {
  database = await freshDatabase()
  node = await startLiveNode(database.connectionString)
  const definition = {
    id: 'welcome',
    title: 'Welcome',
    steps: [
      { id: 'first', title: 'First', kind: 'form' },
      { id: 'second', title: 'Second', kind: 'form' },
    ],
  }
  const published = { type: 'FlowPublished', data: { flowId: 'welcome', version: 1, definition } }
  await recordIn(node.deps.store, 'acme', streamName('flow', 'acme', 'welcome'), [published])
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

function client(...args: Parameters<typeof connect>): LiveClient {
  const opened = connect(...args)
  open.push(opened)
  return opened
}

const started = (userId: string) => ({
  type: 'SessionStarted',
  data: { flowId: 'welcome', flowVersion: 1, userId, context: {} },
})
const completed = (stepId: string) => ({ type: 'StepCompleted', data: { stepId, data: { a: 1 } } })

/** A session of ada's with that many signals after its start. */
async function session(signals = 0, userId = 'ada'): Promise<string> {
  const id = `s${++count}`
  await record(node.deps.store, 'acme', id, [
    started(userId),
    ...Array.from({ length: signals }, (_, i) => signal(`n${i}`)),
  ])
  return id
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

async function joined(id: string, after?: number, by = 'ada'): Promise<LiveClient> {
  const opened = client(node.url, { token: await token(by) })
  await opened.next('connected')
  opened.send('join_session', { sessionId: id, ...(after !== undefined && { after }) })
  await opened.next('joined')
  return opened
}

const post = async (path: string, by: string, headers: Record<string, string> = {}) =>
  fetch(`${node.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await token(by)}`, ...headers },
  })

describe('a socket authenticates', () => {
  test('by its Authorization header', async () => {
    const { data } = await client(node.url, { token: await token('ada') }).next('connected')
    expect(data).toMatchObject({ userId: 'ada', tenantId: 'acme', roles: ['participant'] })
  })

  test('by its first frame', async () => {
    const socket = client(node.url)
    await once(socket.ws, 'open')
    socket.send('join_session', { sessionId: 's1' })
    expect((await socket.next('error')).data).toMatchObject({
      code: 'unauthenticated',
      event: 'join_session',
    })
    socket.send('authenticate', { token: await token('ada') })
    await socket.next('connected')
  })

  test('by a ticket that is good once and echoed as subprotocol', async () => {
    const { ticket, expiresAt } = (await (await post('/onboarding/ticket', 'ada')).json()) as Record<
      string,
      string
    >
    expect(Date.parse(expiresAt!) - Date.now()).toBeGreaterThan(20_000)
    const socket = client(node.url, { ticket: ticket! })
    expect((await socket.next('connected')).data.userId).toBe('ada')
    expect(socket.ws.protocol).toBe(`gangway.ticket.${ticket}`)
    await expect(client(node.url, { ticket: ticket! }).next('connected')).rejects.toThrow('401')
  })

  test('and of many who come with one ticket at the same time, one gets in', async () => {
    const { ticket } = (await (await post('/onboarding/ticket', 'ada')).json()) as { ticket: string }
    const tries = range(1, 8).map(() => client(node.url, { ticket }).next('connected'))
    const outcomes = await Promise.allSettled(tries)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('not by a token that is forged, expired or of no signature', async () => {
    const unsigned = `${btoa('{"alg":"none"}')}.${btoa('{"sub":"ada","tenant":"acme","roles":["admin"],"exp":9e9}')}.`
    for (const bad of [
      `${await token('ada')}x`,
      await token('ada', 'acme', ['participant'], -3600),
      unsigned,
    ]) {
      await expect(client(node.url, { token: bad }).next('connected')).rejects.toThrow('401')
      const socket = client(node.url)
      await once(socket.ws, 'open')
      socket.send('authenticate', { token: bad })
      expect((await socket.closed()).code).toBe(4401)
    }
  })

  test('or is closed when it takes too long', async () => {
    const short = await startLiveNode(database.connectionString, { limits: { authenticateMs: 50 } })
    const socket = client(short.url)
    expect(await socket.closed()).toEqual({ code: 4401, reason: 'authentication_timeout' })
    await short.stop()
  })

  test('and is closed when its token ends, unless a fresh one of the same caller came', async () => {
    const ending = client(node.url, { token: await token('ada', 'acme', ['participant'], 4) })
    const renewed = client(node.url, { token: await token('ada', 'acme', ['participant'], 4) })
    await renewed.next('connected')
    renewed.send('authenticate', { token: await token('eve') })
    expect((await renewed.next('error')).data.code).toBe('forbidden')
    renewed.send('authenticate', { token: await token('ada') })
    expect(await ending.closed()).toEqual({ code: 4401, reason: 'token_expired' })
    await delay(1100)
    expect(renewed.ws.readyState).toBe(WebSocket.OPEN)
  })

  test('from the configured origin only, where one is configured', async () => {
    const strict = await startLiveNode(database.connectionString, {
      config: { frontendUrl: 'https://app.example' },
    })
    const from = async (origin: string) =>
      client(strict.url, { token: await token('ada'), headers: { origin } }).next('connected')
    await expect(from('https://evil.example')).rejects.toThrow('403')
    await from('https://app.example')
    await from(strict.url)
    await strict.stop()
  })
})

describe('tickets', () => {
  test('come back for the same Idempotency-Key, to the same caller only', async () => {
    const key = { 'idempotency-key': 'once' }
    const first = await post('/onboarding/ticket', 'ada', key)
    const again = await post('/onboarding/ticket', 'ada', key)
    expect(await again.json()).toEqual(await first.json())
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const stranger = await post('/onboarding/ticket', 'eve', key)
    expect(stranger.status).toBe(422)
    expect(await stranger.json()).toMatchObject({ code: 'idempotency_key_reused' })
  })

  test('are for those who may watch sessions', async () => {
    const headers = { authorization: `Bearer ${await token('x', 'acme', ['auditor'])}` }
    const answer = await fetch(`${node.url}/onboarding/ticket`, { method: 'POST', headers })
    expect(answer.status).toBe(403)
  })
})

describe('a session that was joined', () => {
  test('live only, sends what comes and nothing before', async () => {
    const id = await session(3)
    const socket = await joined(id)
    await record(node.deps.store, 'acme', id, [signal('x'), signal('y')])
    await socket.until(({ seq }) => seq === 5)
    expect(socket.seqs()).toEqual([4, 5])
  })

  test('after a revision, sends everything later and then what comes', async () => {
    const id = await session(700)
    const all = await joined(id, -1)
    const some = await joined(id, 650)
    await record(node.deps.store, 'acme', id, [signal('x')])
    await all.until(({ seq }) => seq === 701)
    await some.until(({ seq }) => seq === 701)
    expect(all.seqs()).toEqual(range(0, 701))
    expect(some.seqs()).toEqual(range(651, 701))
  })

  test('tells every event as one frame of its kind, and progress beside it', async () => {
    const id = await session()
    const socket = await joined(id)
    await record(node.deps.store, 'acme', id, [
      { type: 'StepStarted', data: { stepId: 'first' } },
      completed('first'),
      { type: 'MilestoneReached', data: { milestone: 50 } },
      {
        type: 'StepValidationFailed',
        data: { stepId: 'second', errors: [{ pointer: '/data', detail: 'no' }] },
      },
      completed('second'),
      { type: 'SessionCompleted', data: {} },
    ])
    await socket.until(({ seq }) => seq === 6)
    await socket.until(({ event, data }) => event === 'progress_update' && data.percent === 100)
    const events = socket.frames.filter(({ seq }) => seq !== undefined)
    expect(events).toMatchObject([
      { event: 'session_event', seq: 1, data: { sessionId: id, type: 'StepStarted', stepId: 'first' } },
      { event: 'step_completed', seq: 2, data: { sessionId: id, stepId: 'first', data: { a: 1 } } },
      { event: 'milestone_reached', seq: 3, data: { milestone: 50 } },
      {
        event: 'validation_error',
        seq: 4,
        data: { stepId: 'second', errors: [{ pointer: '/data', detail: 'no' }] },
      },
      { event: 'step_completed', seq: 5 },
      { event: 'onboarding_completed', seq: 6, data: { sessionId: id } },
    ])
    expect(socket.frames.every(({ event, seq }) => event !== 'progress_update' || seq === undefined)).toBe(
      true,
    )
  })

  test('answers get_progress, and is silent once left', async () => {
    const id = await session()
    const socket = await joined(id)
    await socket.next('progress_update')
    socket.send('get_progress', { sessionId: id })
    await socket.until(() => socket.frames.filter(({ event }) => event === 'progress_update').length >= 2)
    expect(socket.frames.at(-1)!.data).toMatchObject({ sessionId: id, percent: 0, currentStep: 'first' })
    socket.send('leave_session', { sessionId: id })
    socket.send('get_progress', { sessionId: 'none' })
    await socket.next('error')
    const before = socket.frames.length
    await record(node.deps.store, 'acme', id, [completed('first')])
    await delay(200)
    expect(socket.frames).toHaveLength(before)
  })

  test('is the caller’s own, or of their tenant for members; anything else does not exist', async () => {
    const id = await session()
    const attempt = async (by: string) => {
      const socket = client(node.url, { token: by })
      await socket.next('connected')
      socket.send('join_session', { sessionId: id, after: -1 })
      const frame = await socket.until(({ event }) => event === 'error' || event === 'joined')
      await record(node.deps.store, 'acme', id, [signal('secret')])
      await delay(100)
      return { frame, seqs: socket.seqs() }
    }
    for (const role of ['member', 'analyst', 'admin'])
      expect((await attempt(await token('x', 'acme', [role]))).frame.event).toBe('joined')
    for (const by of [await token('eve'), await token('ada', 'other'), await token('x', 'other', ['admin'])])
      expect(await attempt(by)).toMatchObject({
        frame: { data: { code: 'not_found', sessionId: id } },
        seqs: [],
      })
    expect((await attempt(await token('ada', 'acme', ['auditor']))).frame.data.code).toBe('forbidden')
  })
})

describe('frames that are no frames', () => {
  test('are refused one by one and harm nothing', async () => {
    const socket = client(node.url, { token: await token('ada') })
    await socket.next('connected')
    const bad: [string | Buffer, string][] = [
      ['{', 'malformed_json'],
      ['null', 'invalid_frame'],
      ['[]', 'invalid_frame'],
      ['"join_session"', 'invalid_frame'],
      ['{"event":7}', 'invalid_frame'],
      ['{"event":"__proto__","data":{}}', 'unknown_event'],
      ['{"event":"drop_table","data":{}}', 'unknown_event'],
      ['{"event":"join_session"}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":7}}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":"a","after":"1"}}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":"a","after":-2}}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":"a","after":null}}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":"a","more":1}}', 'invalid_frame'],
      ['{"event":"join_session","data":{"sessionId":"a\\u0000"}}', 'not_found'],
      ['{"event":"join_session","data":{"sessionId":"\\ud800"}}', 'not_found'],
      [Buffer.from('{"event":"get_progress"}'), 'binary_frame'],
      [JSON.stringify({ event: 'authenticate', data: { token: 'x'.repeat(70_000) } }), 'frame_too_large'],
      ['['.repeat(60_000), 'malformed_json'],
    ]
    for (const [frame, code] of bad) {
      const before = socket.frames.length
      socket.ws.send(frame, { binary: Buffer.isBuffer(frame) })
      await socket.until(() => socket.frames.length > before)
      expect([String(frame).slice(0, 60), socket.frames.at(-1)!.data.code]).toEqual([
        String(frame).slice(0, 60),
        code,
      ])
      await delay(25)
    }
    const id = await session()
    socket.send('join_session', { sessionId: id })
    await socket.next('joined')
  })

  test('past a megabyte end the socket, and nothing else', async () => {
    const socket = client(node.url, { token: await token('ada') })
    await socket.next('connected')
    socket.ws.send('x'.repeat(1024 * 1024 + 1))
    expect((await socket.closed()).code).toBe(1009)
    await client(node.url, { token: await token('ada') }).next('connected')
  })

  test('in a flood are refused and then end the socket', async () => {
    const socket = client(node.url, { token: await token('ada') })
    await socket.next('connected')
    for (let i = 0; i < 600; i++) socket.send('get_progress', { sessionId: 'none' })
    expect(await socket.closed()).toEqual({ code: 1008, reason: 'too_many_frames' })
    expect(socket.frames.some(({ data }) => data.code === 'rate_limited')).toBe(true)
  })

  test('of too many joins are refused', async () => {
    const few = await startLiveNode(database.connectionString, { limits: { maxJoins: 2 } })
    const ids = [await session(), await session(), await session()]
    const socket = client(few.url, { token: await token('ada') })
    await socket.next('connected')
    for (const sessionId of ids) socket.send('join_session', { sessionId })
    expect((await socket.next('error')).data).toMatchObject({ code: 'too_many_sessions', sessionId: ids[2] })
    await few.stop()
  })
})

describe('a client that cannot keep up', () => {
  test('is told to resync and closed, and misses nothing when it comes again', async () => {
    const id = await session()
    const slow = await joined(id, -1)
    await slow.until(({ seq }) => seq === 0)
    slow.ws.pause()
    const large = { type: 'SignalTracked', data: { signal: 'x', properties: { text: 'x'.repeat(100_000) } } }
    const total = 120
    for (let i = 0; i < total; i++) await record(node.deps.store, 'acme', id, [large])
    slow.ws.resume()
    const told = await slow.next('resync_required')
    expect((await slow.closed()).code).toBe(1013)
    const last = slow.seqs().at(-1)!
    expect(last).toBeLessThan(total)
    expect(told.data.sessions).toEqual([{ sessionId: id, sent: last }])
    const again = await joined(id, last)
    await again.until(({ seq }) => seq === total)
    expect([...slow.seqs(), ...again.seqs()]).toEqual(range(0, total))
  })

  test('but reads history at its own pace', async () => {
    const id = await session()
    const large = { type: 'SignalTracked', data: { signal: 'x', properties: { text: 'x'.repeat(100_000) } } }
    for (let i = 0; i < 12; i++) await record(node.deps.store, 'acme', id, Array(9).fill(large))
    const slow = await joined(id, -1)
    for (let i = 0; i < 5; i++) {
      slow.ws.pause()
      await delay(40)
      slow.ws.resume()
      await delay(5)
    }
    await slow.until(({ seq }) => seq === 108)
    expect(slow.seqs()).toEqual(range(0, 108))
  })
})

describe('a node', () => {
  test('pings, and drops who does not answer', async () => {
    const eager = await startLiveNode(database.connectionString, { limits: { heartbeatMs: 500 } })
    const alive = client(eager.url, { token: await token('ada') })
    const dead = client(eager.url, { token: await token('ada') })
    await alive.next('connected')
    await dead.next('connected')
    dead.ws.pause()
    const sockets = () => eager.deps.metrics.registry.getSingleMetricAsString('gangway_sockets')
    await expect.poll(sockets, { timeout: 20_000 }).toContain('gangway_sockets 1')
    dead.ws.resume()
    expect((await dead.closed()).code).toBe(1006)
    expect(alive.ws.readyState).toBe(WebSocket.OPEN)
    await eager.stop()
  })

  test('says goodbye when it goes down, also to who does not answer', async () => {
    const going = await startLiveNode(database.connectionString)
    const sockets = await Promise.all(
      range(1, 5).map(async () => client(going.url, { token: await token('ada') })),
    )
    await Promise.all(sockets.map((socket) => socket.next('connected')))
    sockets[0]!.ws.pause()
    const begun = Date.now()
    await going.stop()
    // `ws` itself gives who does not answer half a minute.
    expect(Date.now() - begun).toBeLessThan(15_000)
    for (const socket of sockets.slice(1))
      expect(await socket.closed()).toEqual({ code: 1001, reason: 'shutting_down' })
    sockets[0]!.ws.resume()
  })

  test('answers a plain request of the socket’s path with 426', async () => {
    const answer = await fetch(`${node.url}/onboarding`)
    expect([answer.status, await answer.json()]).toMatchObject([426, { code: 'upgrade_required' }])
  })

  test('answers an upgrade of another path and lets go of it', async () => {
    const elsewhere = new WebSocket(`${node.url.replace('http', 'ws')}/onboarding/ticket`)
    const [error] = await once(elsewhere, 'error')
    expect(String(error)).toContain('404')
  })
})

describe('clients are counted', () => {
  const read = async (path: string, by: string) => {
    const answer = await fetch(`${node.url}/onboarding/${path}`, {
      headers: { authorization: `Bearer ${by}` },
    })
    return answer.status === 200 ? ((await answer.json()) as { count: number }).count : answer.status
  }

  test('by session and user, for who may know', async () => {
    const member = await token('m', 'acme', ['member'])
    const id = await session(0, 'zoe')
    const [a, b] = [await joined(id, undefined, 'zoe'), await joined(id, undefined, 'zoe')]
    expect(await read(`session-clients/${id}`, member)).toBe(2)
    expect(await read('user-clients/zoe', member)).toBe(2)
    a.frames.splice(0)
    a.send('join_session', { sessionId: id })
    await a.next('joined')
    expect(await read(`session-clients/${id}`, member)).toBe(2)
    a.send('leave_session', { sessionId: id })
    a.send('get_progress', { sessionId: 'none' })
    await a.next('error')
    expect(await read(`session-clients/${id}`, member)).toBe(1)
    await b.close()
    await expect.poll(() => read('user-clients/zoe', member), { timeout: 10_000 }).toBe(1)
    expect(await read(`session-clients/${id}`, member)).toBe(0)
    expect(await read('session-clients/none', member)).toBe(404)
    expect(await read(`session-clients/${id}`, await token('m', 'other', ['member']))).toBe(404)
    expect(await read('user-clients/zoe', await token('m', 'other', ['member']))).toBe(0)
    expect(await read('user-clients/zoe', await token('x', 'acme', ['analyst']))).toBe(403)
  })
})
