import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { listenWidely } from '../../src/api/listeners.ts'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function started(port = 0) {
  const app = fastify()
  apps.push(app)
  app.get('/', async () => 'here')
  const waiting: (() => void)[] = []
  app.get('/slow', async () => {
    await new Promise<void>((go) => waiting.push(go))
    return 'at last'
  })
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await listenWidely(app, '127.0.0.1', port)
  const at = app.server.address() as AddressInfo
  const answer = { waiting, sockets: () => sockets.size }
  return { app, port: at.port, url: `http://127.0.0.1:${at.port}`, answer }
}

test.skipIf(process.platform !== 'linux')(
  'who comes while turns of the event loop are long waits for few of them (one port is shared by listeners on Linux only)',
  async () => {
    const { app, port } = await started()
    let accepted = 0
    app.server.on('connection', () => {
      accepted += 1
    })
    const sockets = Array.from({ length: 80 }, () => connect(port, '127.0.0.1'))
    // The kernel has connected them all; nobody was let in yet.
    const long = performance.now() + 200
    while (performance.now() < long);
    let turns = 0
    for (; accepted < sockets.length; turns++) {
      expect(turns).toBeLessThan(20)
      await new Promise(setImmediate)
    }
    for (const socket of sockets) socket.destroy()
  },
)

test('each of many connections is answered', async () => {
  const { url } = await started()
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => fetch(url, { headers: { connection: 'close' } })),
  )
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(Array(40).fill('here'))
})

test('a port that is taken is taken, also by one of its own kind', async () => {
  const { port } = await started()
  await expect(started(port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  await expect(started((other.address() as AddressInfo).port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  other.close()
})

test('once it is closed nobody is let in', async () => {
  const { app, port } = await started()
  await app.close()
  const refused = Array.from({ length: 20 }, async () => {
    const socket = connect(port, '127.0.0.1')
    return once(socket, 'connect').then(
      () => 'connected',
      (error) => error.code,
    )
  })
  expect(new Set(await Promise.all(refused))).toEqual(new Set(['ECONNREFUSED']))
})

test('closing waits for every answer that is under way, and ends connections that are kept', async () => {
  const { app, url, answer } = await started()
  const client = new Agent({ keepAlive: true, maxSockets: 20 })
  const ask = async (path: string) => {
    const [response] = await once(get(url + path, { agent: client }), 'response')
    await text(response)
    return response.statusCode
  }
  await Promise.all(Array.from({ length: 20 }, () => ask('/')))
  const asked = Array.from({ length: 20 }, () => ask('/slow'))
  await expect.poll(() => answer.waiting.length).toBe(20)
  let answered = 0
  for (const one of asked)
    one.then(() => {
      answered += 1
    })
  const answeredWhenClosed = app.close().then(() => answered)
  for (const go of answer.waiting) {
    await delay(10)
    go()
  }
  expect(await Promise.all(asked)).toEqual(Array(20).fill(200))
  expect(await answeredWhenClosed).toBe(20)
  await expect.poll(answer.sockets).toBe(0)
  client.destroy()
})
