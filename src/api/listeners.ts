import { once } from 'node:events'
import { createServer, type ListenOptions, type Server } from 'node:net'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'

/** As many connections are let in at a turn of the event loop. */
const LISTENERS = 64
const LOOK_MS = 20
/** The kernel divides connections among listeners of one port there (SO_REUSEPORT, Linux 3.9). */
const CAN_SHARE = process.platform === 'linux'

/**
 * Listens, and lets in several connections a turn of the event loop: libuv accepts one of each listener, so that with a single one newcomers
 * wait longest when turns are longest, under overload, and before anybody can refuse them. (nginx: `multi_accept`.)
 *
 * @throws EADDRINUSE as a single listener would, also where what listens there would share its port
 */
export async function listenWidely(app: FastifyInstance, host: string, port: number): Promise<void> {
  endIdle(app)
  if (!CAN_SHARE) {
    await app.listen({ host, port })
    return
  }
  // Not shared, so that it fails where anybody is.
  if (port !== 0) await close(await listening(createServer(), { host, port }))
  const others = Array.from({ length: LISTENERS - 1 }, () =>
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => app.server.emit('connection', socket)),
  )
  let ended: Promise<unknown> | undefined
  app.addHook('preClose', async () => {
    ended = Promise.all(others.filter((other) => other.listening).map(close))
  })
  // By then the first one has ended, and with it its connections.
  app.addHook('onClose', async () => {
    await ended
  })
  await app.listen({ host, port, reusePort: true } as FastifyListenOptions)
  const at = { host, port: (app.server.address() as { port: number }).port, reusePort: true }
  await Promise.all(others.map((other) => listening(other, at)))
}

/** Whoever was being answered when closing began was not told to leave, and would keep the server from ending for as long as it likes. */
function endIdle(app: FastifyInstance): void {
  let ending: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    ending = setInterval(() => app.server.listening || app.server.closeIdleConnections(), LOOK_MS)
  })
  app.addHook('onClose', async () => clearInterval(ending))
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
