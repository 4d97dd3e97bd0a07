import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fastify } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import type { LiveSocket } from '../../src/api/liveSocket.ts'
import { acceptUpgrades } from '../../src/api/liveUpgrade.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** An open socket, and what told of it. */
async function open() {
  const app = fastify()
  const requests: WeakRef<IncomingMessage>[] = []
  const opened = Promise.withResolvers<LiveSocket>()
  await acceptUpgrades(app, {
    path: '/live',
    admit: async (request) => {
      requests.push(new WeakRef(request))
      return undefined
    },
    onSocket: (socket) => opened.resolve(socket),
    onError: opened.reject,
    maxPayload: 1000,
    deflate: false,
    protocol: () => false,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live`)
  onTestFinished(async () => {
    client.terminate()
    await app.close()
  })
  await once(client, 'open')
  return { requests, socket: await opened.promise, client }
}

test('an open socket holds on to nothing of its request', async () => {
  const { requests, socket } = await open()
  const held = () => {
    collectGarbage()
    return requests.map((request) => request.deref() !== undefined)
  }
  await expect.poll(held, { timeout: 10_000 }).toEqual([false])
  expect(socket.readyState).toBe(socket.OPEN)
})

test('a socket tells its listener what comes, that the other side is there, and its end, once', async () => {
  const { socket, client } = await open()
  const told: string[] = []
  socket.listener = {
    receive: (data, isBinary) => told.push(`${isBinary ? 'binary' : 'text'} ${data}`),
    alive: () => told.push('alive'),
    ended: () => told.push('ended'),
  }
  client.send('a')
  client.send(Buffer.from('b'))
  await expect.poll(() => told, { timeout: 10_000 }).toEqual(['text a', 'binary b'])
  socket.ping()
  await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe('alive')
  // More than a frame may have: `ws` closes by itself.
  client.send('c'.repeat(1001))
  expect(await once(client, 'close')).toEqual([1009, expect.anything()])
  await expect.poll(() => told.slice(2), { timeout: 10_000 }).toEqual(['alive', 'ended'])
})
