import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { sendText } from '../../src/api/liveWire.ts'

/** Sends texts to a client that compresses or does not, and answers what came. */
async function sent(texts: readonly string[], deflate: boolean): Promise<string[]> {
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
  for (const text of texts) {
    const bytes = Buffer.from(text)
    sendText(socket, bytes)
    sendText(socket, bytes)
  }
  socket.send('end')
  await expect.poll(() => came.at(-1)).toBe('text end')
  return came.slice(0, -1)
}

test.each([false, true])('texts of any length come whole and in order (compressed: %s)', async (deflate) => {
  const texts = [
    '',
    'é'.repeat(62),
    'x'.repeat(126),
    'y'.repeat(65_535),
    'z'.repeat(65_536),
    'w'.repeat(200_000),
  ]
  const expected = texts.flatMap((text) => [`text ${text}`, `text ${text}`])
  expect(await sent(texts, deflate)).toEqual(expected)
})
