// A server of the fanout bench: the whole service, or `ws` alone. Told what to do by its parent.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { readConfig } from '../../src/config.ts'
import { startService } from '../../src/service.ts'
import { createLogger } from '../../src/services/logger.ts'

const [kind, databaseUrl, dataDir, secret] = process.argv.slice(2)

interface Server {
  readonly url: string
  broadcast(text: string, count: number): Promise<void>
}

const { url, broadcast }: Server = kind === 'ours' ? await ours() : await bare()

process.on('message', async (message: { id: number; do: string; text: string; count: number }) => {
  const { id } = message
  if (message.do === 'stop') process.exit(0)
  if (message.do === 'broadcast') await broadcast(message.text, message.count)
  if (message.do === 'memory') await settle()
  process.send!({ id, rss: process.memoryUsage.rss() })
})
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
    async broadcast(text, count) {
      for (let i = 0; i < count; i++) {
        const bytes = Buffer.from(text)
        for (const socket of server.clients) socket.send(bytes, { binary: false })
        await turn()
      }
    },
  }
}

/** What can be freed is freed. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((done) => setTimeout(done, 100))
  }
}
