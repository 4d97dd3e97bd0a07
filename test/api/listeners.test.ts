import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { listenWidely } from '../../src/api/listeners.ts'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function started(port = 0): Promise<{ app: FastifyInstance; port: number; url: string }> {
  const app = fastify({ forceCloseConnections: true })
  apps.push(app)
  app.get('/', async () => 'here')
  await listenWidely(app, '127.0.0.1', port)
  const at = app.server.address() as AddressInfo
  return { app, port: at.port, url: `http://127.0.0.1:${at.port}` }
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
      expect(turns).toBeLessThan(60)
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
