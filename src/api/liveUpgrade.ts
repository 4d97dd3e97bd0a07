import { EventEmitter } from 'node:events'
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { Caller } from './auth.ts'
import { frameworkProblem } from './errors.ts'
import { LiveSocket } from './liveSocket.ts'
import { type Problem, ProblemError, problemDocument } from './problem.ts'

export interface UpgradeOptions {
  readonly path: string
  /** Who opens the socket, undefined when its first frame is to say that. @throws ProblemError */
  readonly admit: (request: IncomingMessage) => Promise<Caller | undefined>
  readonly onSocket: (socket: LiveSocket, caller: Caller | undefined) => void
  readonly onError: (error: unknown) => void
  readonly maxPayload: number
  /** Per-message deflate (RFC 7692). */
  readonly deflate: boolean
  readonly protocol: (offered: ReadonlySet<string>) => string | false
}

/**
 * Takes the upgrades of an application's server. They go past the router: a socket lives long, and what a request's handling leaves
 * behind (request, reply, logger) would live as long, at twice the memory of the socket itself. So `@fastify/websocket` brings
 * the WebSocket server and listens for upgrades on an emitter that has none.
 */
export async function acceptUpgrades(app: FastifyInstance, options: UpgradeOptions): Promise<void> {
  const { admit, onSocket, onError } = options
  await app.register(fastifyWebsocket, {
    options: {
      server: new EventEmitter() as Server,
      // It is the class of `ws`'s module, of which each kind of module has a type of its own.
      WebSocket: LiveSocket as never,
      // Whoever opens them knows them.
      clientTracking: false,
      maxPayload: options.maxPayload,
      perMessageDeflate: options.deflate,
      handleProtocols: options.protocol,
    },
    // Who opened sockets says goodbye to them.
    preClose: (done) => done(),
  })
  const sockets = app.websocketServer
  app.server.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', drop)
    const path = request.url?.split('?', 1)[0] ?? ''
    try {
      if (path.replace(/(?<=.)\/$/, '') !== options.path)
        throw new ProblemError({
          status: 404,
          code: 'route_unknown',
          detail: `There is no socket at ${path}.`,
        })
      const caller = await admit(request)
      socket.off('error', drop)
      sockets.handleUpgrade(request, socket, head, (opened) => onSocket(opened as LiveSocket, caller))
    } catch (error) {
      if (!(error instanceof ProblemError)) onError(error)
      const problem = error instanceof ProblemError ? error.problem : frameworkProblem(error as never)
      refuse(socket, problem, path)
    }
  })
}

function drop(this: Duplex): void {
  this.destroy()
}

function refuse(socket: Duplex, problem: Problem, path: string): void {
  const body = JSON.stringify(problemDocument(problem, path))
  const headers = {
    ...problem.headers,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`,
    () => socket.destroy(),
  )
}
