// A server of the fanout bench: the whole service, or `ws` alone. Told what to do by its parent.
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { type WebSocket, WebSocketServer } from 'ws'
import { readConfig } from '../../src/config.ts'
import { startService } from '../../src/service.ts'
import { createLogger } from '../../src/services/logger.ts'
import { cpuTime } from './cpuTime.ts'

const [kind, databaseUrl, dataDir, secret] = process.argv.slice(2)

interface Message {
  readonly id: number
  readonly do: 'broadcast' | 'memory' | 'cpu' | 'stop'
  readonly text: string
  readonly count: number
  readonly together: number
}

interface Server {
  readonly url: string
  broadcast(message: Message): Promise<void>
}

const { url, broadcast }: Server = kind === 'ours' ? await ours() : await bare()

process.on('message', async (message: Message) => {
  const { id } = message
  if (message.do === 'stop') process.exit(0)
  if (message.do === 'broadcast') await broadcast(message)
  if (message.do === 'memory') await settle()
  const rss = process.memoryUsage.rss()
  process.send!({ id, rss, held: rss - youngGeneration(), cpu: cpuTime() })
})
process.on('disconnect', () => process.exit(0))
process.send!({ id: -1, url })

async function ours(): Promise<Server> {
  const read = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    JWT_SECRET: secret,
    LOG_LEVEL: 'error',
    RATE_LIMIT: '1000000000',
  })
  if ('faults' in read) throw new Error(JSON.stringify(read.faults))
  const service = await startService(read.config, createLogger('error'))
  return { url: service.url, broadcast: async () => {} }
}

async function bare(): Promise<Server> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async broadcast({ text, count, together }) {
      for (let sent = 0; sent < count; sent += together) {
        const bytes = Buffer.from(text)
        const next = Math.min(together, count - sent)
        for (const socket of server.clients)
          if (next === 1) socket.send(bytes, { binary: false })
          else
            corked(socket, () => {
              for (let n = 0; n < next; n++) socket.send(bytes, { binary: false })
            })
        await turn()
      }
    },
  }
}

/** What is sent meanwhile is written in one piece. */
function corked(socket: WebSocket, send: () => void): void {
  const { _socket: wire } = socket as unknown as { _socket: Socket }
  wire.cork()
  send()
  wire.uncork()
}

/** What can be freed is freed. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((done) => setTimeout(done, 100))
  }
}

/**
 * Bytes that V8 has touched to make objects in. It goes through up to 128 MiB before it begins again, whatever the objects are and
 * however few outlive a collection, which in one of them these sockets happen to reach and in another they do not.
 */
function youngGeneration(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name }) => space_name.startsWith('new_'))
    .reduce((sum, { physical_space_size }) => sum + physical_space_size, 0)
}
