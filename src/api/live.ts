import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest, FastifySchema } from 'fastify'
import type { Presence } from '../services/presence.ts'
import type { Tickets } from '../services/tickets.ts'
import { authenticate, type Caller } from './auth.ts'
import type { AppDependencies } from './dependencies.ts'
import { Connection } from './liveConnection.ts'
import { type LiveHub, startHub } from './liveHub.ts'
import { CLOSE, DEFAULT_LIMITS, type LiveLimits } from './liveLimits.ts'
import { createLiveSessions } from './liveSessions.ts'
import { acceptUpgrades } from './liveUpgrade.ts'
import { problem } from './problem.ts'
import { secondsToWait, tooOften } from './rateLimitHook.ts'

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

/** The live socket at `/onboarding`. */
export function liveRoutes(deps: LiveDependencies): FastifyPluginAsync {
  return async (app) => {
    const { store, presence, verifyToken, metrics, logger } = deps
    const connections = new Set<Connection>()
    const limits = { ...DEFAULT_LIMITS, ...deps.limits }
    const sessions = createLiveSessions(deps)
    const onError = (error: unknown) => logger.warn({ err: error }, 'live')
    const hub = startHub({ store, progressFrame: sessions.progressFrame, onError })
    const now = () => deps.now().getTime()
    const onEnd = (connection: Connection) => {
      connections.delete(connection)
      metrics.sockets(connections.size)
    }
    const common = { store, hub, sessions, presence, verifyToken, limits, now, onError, onEnd }

    await acceptUpgrades(app, {
      path: '/onboarding',
      admit: (request) => admit(request, deps),
      onSocket(socket, caller) {
        const connection = new Connection(common, socket)
        connections.add(connection)
        metrics.sockets(connections.size)
        if (caller) connection.welcome(caller)
      },
      onError,
      maxPayload: MAX_PAYLOAD,
      deflate: deps.deflate ?? false,
      protocol: (offered) => [...offered].find(isTicketProtocol) ?? false,
    })

    app.get('/onboarding', { config: { public: true }, schema: socketSchema }, async () => {
      throw problem(426, 'upgrade_required', 'This is a WebSocket; see /asyncapi.json.', {
        headers: { upgrade: 'websocket', connection: 'upgrade' },
      })
    })

    const clock = setInterval(() => {
      const at = now()
      for (const connection of connections) connection.tick(at)
    }, 1000)
    const heart = setInterval(() => {
      for (const connection of connections) connection.heartbeat()
    }, limits.heartbeatMs)
    app.addHook('preClose', async () => {
      clearInterval(clock)
      clearInterval(heart)
      await stop(app, hub, connections)
    })
  }
}

const TICKET_PROTOCOL = 'gangway.ticket.'
const isTicketProtocol = (protocol: string) => protocol.startsWith(TICKET_PROTOCOL)

/** Who opens the socket, by header or ticket; undefined when the first frame is to say it. @throws ProblemError */
async function admit(request: IncomingMessage, deps: LiveDependencies): Promise<Caller | undefined> {
  refuseForeignOrigin(request, deps.config.frontendUrl)
  if (deps.draining?.()) throw problem(503, 'shutting_down', 'This node is going down.')
  // Most are known at once, and what a promise leaves behind is several times what a connection is.
  const known = callerOf(request, deps)
  const caller = known instanceof Promise ? await known : known
  const waiting = caller && secondsToWait(deps.rateLimiter, caller)
  const wait = waiting instanceof Promise ? await waiting : waiting
  if (wait) throw tooOften(wait)
  return caller
}

function callerOf(
  { headers }: IncomingMessage,
  deps: LiveDependencies,
): Caller | undefined | Promise<Caller> {
  if (headers.authorization !== undefined)
    return authenticate(deps.verifyToken, { headers } as FastifyRequest)
  const offered = headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim())
  const protocol = offered?.find(isTicketProtocol)
  return protocol === undefined ? undefined : holderOf(protocol.slice(TICKET_PROTOCOL.length), deps)
}

async function holderOf(ticket: string, { tickets }: LiveDependencies): Promise<Caller> {
  const holder = await tickets.take(ticket)
  if (holder) return holder
  throw problem(401, 'ticket_invalid', 'The ticket is unknown, has been used or has expired.')
}

/** A page of another origin may not open sockets, unless it is the one that was configured (RFC 6455 §10.2). */
function refuseForeignOrigin({ headers }: IncomingMessage, allowed: string | undefined): void {
  const { origin, host } = headers
  if (origin === undefined || allowed === undefined || origin === allowed) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  throw problem(403, 'origin_forbidden', `Pages of ${origin} may not connect.`)
}

/** Says goodbye (1001) and waits a moment for the answers. */
async function stop(app: FastifyInstance, hub: LiveHub, connections: ReadonlySet<Connection>): Promise<void> {
  app.server.removeAllListeners('upgrade')
  await hub.stop()
  for (const connection of connections) connection.close(CLOSE.goingAway, 'shutting_down')
  const deadline = Date.now() + GOODBYE_MS
  while (connections.size > 0 && Date.now() < deadline) await new Promise((again) => setTimeout(again, 10))
  for (const connection of connections) connection.terminate()
}
