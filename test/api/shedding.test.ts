import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { promisify } from 'node:util'
import { fastify } from 'fastify'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { createLoad, type Load } from '../../src/api/load.ts'
import { shedOverload } from '../../src/api/shedding.ts'
import { createMetrics } from '../../src/services/metrics.ts'

const metrics = createMetrics()
let close: (() => Promise<unknown>) | undefined
afterEach(() => close?.())

async function listening({
  load,
  frontendUrl,
  onRefused,
}: {
  load: Load
  frontendUrl?: string
  onRefused?: () => void
}) {
  const config = frontendUrl === undefined ? {} : { frontendUrl }
  const logger = pino({ level: 'silent' })
  const told = onRefused ? { ...metrics, httpAnswered: onRefused } : metrics
  const app = fastify({ serverFactory: shedOverload({ config, logger, metrics: told }, load) })
  let asked = 0
  app.addHook('onRequest', (_request, _reply, done) => {
    asked += 1
    done()
  })
  app.post('/', async () => 'done')
  app.get('/health/ready', async () => 'ready')
  await app.listen({ host: '127.0.0.1', port: 0 })
  close = () => app.close()
  const { port } = app.server.address() as AddressInfo
  const connections = () => promisify(app.server.getConnections.bind(app.server))()
  return { port, url: `http://127.0.0.1:${port}`, asked: () => asked, connections }
}

const overloaded = (): Load => ({ ...createLoad(), full: true })

test('a full node refuses with 503 and Retry-After before it does anything for a request', async () => {
  const { url, asked } = await listening({ load: overloaded() })
  const answer = await fetch(`${url}/?q=1`, {
    method: 'POST',
    body: '{"large":"body"}',
    headers: { 'content-type': 'application/json', 'x-correlation-id': 'mine' },
  })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('1')
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('x-correlation-id')).toBe('mine')
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await answer.json()).toEqual({
    type: 'urn:gangway:problem:overloaded',
    title: 'Service Unavailable',
    status: 503,
    detail: 'More is asked than can be answered at the moment; try again.',
    instance: '/',
    code: 'overloaded',
  })
  expect(asked()).toBe(0)
  expect(await metrics.registry.metrics()).toMatch(/request_seconds_count\{route="shed",.*status="503"\} 1/)
})

test('a full node still says how it is', async () => {
  const { url } = await listening({ load: overloaded() })
  expect((await fetch(`${url}/health/ready`)).status).toBe(200)
})

test('a browser may read that it was refused', async () => {
  const frontendUrl = 'https://app.example'
  const { url } = await listening({ load: overloaded(), frontendUrl })
  const from = async (origin: string) => (await fetch(url, { method: 'POST', headers: { origin } })).headers
  const answered = await from(frontendUrl)
  expect(answered.get('access-control-allow-origin')).toBe(frontendUrl)
  expect(answered.get('access-control-expose-headers')).toContain('retry-after')
  expect((await from('https://other.example')).get('access-control-allow-origin')).toBeNull()
})

test('whoever was refused asks again on the same connection', async () => {
  let full = true
  const load: Load = {
    ...createLoad(),
    get full() {
      return full
    },
  }
  const { port } = await listening({ load })
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes
  })
  const request =
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
  socket.write(request)
  await expect.poll(() => text).toContain('503 Service Unavailable')
  full = false
  socket.write(request)
  await expect.poll(() => text).toContain('200 OK')
  socket.destroy()
})

test('who is slow to send a request, or leaves in its middle, is not counted', async () => {
  const load = createLoad()
  const { port, url, asked } = await listening({ load })
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{'
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(head)
    return socket
  })
  await expect.poll(asked).toBe(10)
  expect(load.underWay).toBe(0)
  for (const socket of sockets) socket.destroy()
  expect((await fetch(url, { method: 'POST', body: '' })).status).toBe(200)
  await expect.poll(() => load.underWay).toBe(0)
})

test('many who are refused at once do not hold up what the others wait for', async () => {
  let turn = 0
  const refusedAt: number[] = []
  const { port, connections } = await listening({
    load: overloaded(),
    onRefused: () => refusedAt.push(turn),
  })
  const next = () => {
    turn += 1
    immediate = setImmediate(next)
  }
  let immediate = setImmediate(next)
  const requests = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  await expect.poll(connections).toBe(200)
  const answers = sockets.map((socket) => once(socket, 'data'))
  for (const socket of sockets) socket.write(requests)
  for (const [bytes] of await Promise.all(answers)) expect(String(bytes)).toMatch(/^HTTP\/1.1 503 /)
  clearImmediate(immediate)
  for (const socket of sockets) socket.destroy()
  expect(refusedAt).toHaveLength(200)
  const most = Math.max(
    ...Map.groupBy(refusedAt, (at) => at)
      .values()
      .map(({ length }) => length),
  )
  expect(most).toBeLessThanOrEqual(32)
})
