import { once } from 'node:events'
import { createServer, type ListenOptions, type Server } from 'node:net'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'

/** As many connections are let in at a turn of the event loop. */
const LISTENERS = 8
/** The kernel divides connections among listeners of one port there (SO_REUSEPORT, Linux 3.9). */
const CAN_SHARE = process.platform === 'linux'

/**
 * Listens, and lets in several connections a turn of the event loop: libuv accepts one of each listener, so that with a single one newcomers
 * wait longest when turns are longest, under overload, and before anybody can refuse them. (nginx: `multi_accept`.)
 *
 * @throws EADDRINUSE as a single listener would, also where what listens there would share its port
 */
export async function listenWidely(app: FastifyInstance, host: string, port: number): Promise<void> {
  if (!CAN_SHARE) {
    await app.listen({ host, port })
    return
  }
  // Not shared, so that it fails where anybody is.
  if (port !== 0) await close(await listening(createServer(), { host, port }))
  const others = Array.from({ length: LISTENERS - 1 }, () =>
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => app.server.emit('connection', socket)),
  )
  app.addHook('preClose', async () => {
    // They end with their last connections, as the first does, which is who is waited for.
    for (const other of others) if (other.listening) other.close()
  })
  await app.listen({ host, port, reusePort: true } as FastifyListenOptions)
  const at = { host, port: (app.server.address() as { port: number }).port, reusePort: true }
  await Promise.all(others.map((other) => listening(other, at)))
}

async function listening(server: Server, at: ListenOptions): Promise<Server> {
  const listens = once(server, 'listening')
  server.listen(at)
  await listens
  return server
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}
