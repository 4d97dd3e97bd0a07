import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest, FastifySchema } from 'fastify'
import type { WebSocket } from 'ws'
import type { Presence } from '../services/presence.ts'
import type { Tickets } from '../services/tickets.ts'
import { authenticate, type Caller } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import {
  CLOSE,
  type Connection,
  type ConnectionDependencies,
  DEFAULT_LIMITS,
  type LiveLimits,
  openConnection,
} from './liveConnection.ts'
import { type LiveHub, startHub } from './liveHub.ts'
import { createLiveSessions } from './liveSessions.ts'
import { problem } from './problem.ts'

export interface LiveDependencies extends AppDependencies {
  readonly tickets: Tickets<Caller>
  readonly presence: Presence
  readonly limits?: Partial<LiveLimits>
  /** Per-message deflate (RFC 7692): smaller frames for much memory and time a socket. */
  readonly deflate?: boolean
}

const socketSchema = { hide: true } as FastifySchema
/** Frames past this end the socket (1009); those past MAX_FRAME_BYTES are refused by a frame. */
const MAX_PAYLOAD = 1024 * 1024
/** How long sockets get to answer a close at shutdown. */
const GOODBYE_MS = 400

/** The live socket at `/onboarding`. It belongs to the whole application: an upgrade may come to any route and is answered there. */
export function liveRoutes(deps: LiveDependencies): FastifyPluginAsync {
  return notEncapsulated(async (app) => {
    const connections = new Set<Connection>()
    const limits = { ...DEFAULT_LIMITS, ...deps.limits }
    const sessions = createLiveSessions(deps)
    const onError = (error: unknown) => deps.logger.warn({ err: error }, 'live')
    const hub = startHub({ store: deps.store, progressFrame: sessions.progressFrame, onError })
    const common = connectionDependencies({ ...deps, limits, hub, sessions, onError })

    await app.register(fastifyWebsocket, {
      options: {
        maxPayload: MAX_PAYLOAD,
        perMessageDeflate: deps.deflate ?? false,
        handleProtocols: (offered) => [...offered].find(isTicketProtocol) ?? false,
      },
      errorHandler: (error, socket) => {
        deps.logger.debug({ err: error }, 'socket')
        socket.terminate()
      },
      preClose() {
        return stop(app, hub, connections)
      },
    })

    app.route({
      method: 'GET',
      url: '/onboarding',
      config: { public: true },
      schema: socketSchema,
      onRequest: async (request) => {
        refuseForeignOrigin(request, deps.config.frontendUrl)
        if (request.ws && deps.draining?.()) throw problem(503, 'shutting_down', 'This node is going down.')
        if (request.ws) request.caller = (await callerOf(request, deps)) as Caller
      },
      handler: async () => {
        throw problem(426, 'upgrade_required', 'This is a WebSocket; see /asyncapi.json.', {
          headers: { upgrade: 'websocket', connection: 'upgrade' },
        })
      },
      wsHandler: (ws: WebSocket, request) => {
        const connection = openConnection(common, ws, request.caller ?? undefined)
        connections.add(connection)
        deps.metrics.sockets(connections.size)
        ws.on('close', () => {
          connections.delete(connection)
          deps.metrics.sockets(connections.size)
        })
      },
    })

    const clock = setInterval(() => {
      const now = deps.now().getTime()
      for (const connection of connections) connection.tick(now)
    }, 1000)
    const heart = setInterval(() => {
      for (const connection of connections) connection.heartbeat()
    }, limits.heartbeatMs)
    app.addHook('onClose', async () => {
      clearInterval(clock)
      clearInterval(heart)
    })
  })
}

/** Hooks of a plugin marked so are hooks of who registers it (what `fastify-plugin` does). */
function notEncapsulated(plugin: FastifyPluginAsync): FastifyPluginAsync {
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

function connectionDependencies(
  deps: LiveDependencies & Pick<ConnectionDependencies, 'limits' | 'hub' | 'sessions' | 'onError'>,
): ConnectionDependencies {
  const { store, hub, sessions, presence, verifyToken, limits, onError } = deps
  return { store, hub, sessions, presence, verifyToken, limits, onError, now: () => deps.now().getTime() }
}

const TICKET_PROTOCOL = 'gangway.ticket.'
const isTicketProtocol = (protocol: string) => protocol.startsWith(TICKET_PROTOCOL)

/** Who opens the socket, by header or ticket; undefined when the first frame is to say it. @throws ProblemError 401 */
async function callerOf(request: FastifyRequest, deps: LiveDependencies): Promise<Caller | undefined> {
  if (request.headers.authorization !== undefined) return authenticate(deps.verifyToken, request)
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim())
  const protocol = offered?.find(isTicketProtocol)
  if (protocol === undefined) return undefined
  const holder = await deps.tickets.take(protocol.slice(TICKET_PROTOCOL.length))
  if (holder) return holder
  throw problem(401, 'ticket_invalid', 'The ticket is unknown, has been used or has expired.')
}

/** A page of another origin may not open sockets, unless it is the one that was configured (RFC 6455 §10.2). */
function refuseForeignOrigin(request: FastifyRequest, allowed: string | undefined): void {
  const { origin, host } = request.headers
  if (origin === undefined || allowed === undefined || origin === allowed) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  throw problem(403, 'origin_forbidden', `Pages of ${origin} may not connect.`)
}

/** Says goodbye (1001) and waits a moment for the answers. */
async function stop(app: FastifyInstance, hub: LiveHub, connections: ReadonlySet<Connection>): Promise<void> {
  await hub.stop()
  for (const connection of connections) connection.close(CLOSE.goingAway, 'shutting_down')
  const { clients } = app.websocketServer
  const deadline = Date.now() + GOODBYE_MS
  while (clients.size > 0 && Date.now() < deadline) await new Promise((again) => setTimeout(again, 10))
  for (const socket of clients) socket.terminate()
}
