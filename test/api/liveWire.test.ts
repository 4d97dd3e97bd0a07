import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { SharedTexts, sendShared } from '../../src/api/liveWire.ts'

/** Both ends of a socket, and what came to the client. */
async function pair(deflate: boolean) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: deflate })
  onTestFinished(() => {
    client.terminate()
    server.close()
  })
  const came: string[] = []
  client.on('message', (data, binary) => came.push(`${binary ? 'binary' : 'text'} ${data}`))
  const [socket] = (await once(server, 'connection')) as [WebSocket]
  const all = async () => {
    socket.send('end')
    await expect.poll(() => came.at(-1), { timeout: 10_000 }).toBe('text end')
    return came.slice(0, -1)
  }
  return { socket, all }
}

const TEXTS = [
  '',
  'é'.repeat(62),
  'x'.repeat(126),
  'y'.repeat(65_535),
  'z'.repeat(65_536),
  'w'.repeat(200_000),
]
const came = (texts: readonly string[]) => texts.map((text) => `text ${text}`)
const shared = (texts: readonly string[]) => new SharedTexts(texts.map((text) => Buffer.from(text)))

test.each([false, true])('texts of any length come whole and in order (compressed: %s)', async (deflate) => {
  const { socket, all } = await pair(deflate)
  const [one, other] = [await pair(deflate), await pair(deflate)]
  const together = shared(TEXTS)
  for (const to of [socket, one.socket, other.socket]) {
    for (const text of TEXTS) sendShared(to, shared([text]))
    sendShared(to, together)
  }
  for (const got of [await all(), await one.all(), await other.all()])
    expect(got).toEqual(came([...TEXTS, ...TEXTS]))
})

/** The sizes of the writes that something makes. */
function writesOf(socket: WebSocket, act: () => void): number[] {
  const { _socket: wire } = socket as unknown as { _socket: { write(bytes: Buffer): boolean } }
  const sizes: number[] = []
  const write = wire.write
  wire.write = (bytes) => {
    sizes.push(bytes.length)
    return write.call(wire, bytes)
  }
  act()
  wire.write = write
  return sizes
}

test('texts that go together are one write', async () => {
  const { socket, all } = await pair(false)
  const sizes = writesOf(socket, () => sendShared(socket, shared(['a', 'bc', 'def'])))
  expect(sizes).toEqual([2 + 1 + 2 + 2 + 2 + 3])
  expect(await all()).toEqual(came(['a', 'bc', 'def']))
})

test('a socket that cannot be given frames is given texts', async () => {
  const { socket, all } = await pair(false)
  const { OPEN } = socket
  const other = { extensions: '', readyState: OPEN, OPEN, send: socket.send.bind(socket) }
  for (const _sender of [undefined, {}]) sendShared({ ...other, _sender } as never, shared(['a', 'b']))
  expect(await all()).toEqual(came(['a', 'b', 'a', 'b']))
})

test('nothing is written to a socket that is being closed', async () => {
  const { socket } = await pair(false)
  socket.close(1000)
  expect(writesOf(socket, () => sendShared(socket, shared(['too late'])))).toEqual([])
  await once(socket, 'close')
})
