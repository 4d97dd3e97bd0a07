import type { AddressInfo } from 'node:net'
import pg from 'pg'
import pino from 'pino'
import { WebSocket } from 'ws'
import { buildApp } from '../../src/api/app.ts'
import { type Caller, createTokenVerifier, issueToken } from '../../src/api/auth.ts'
import type { AppDependencies } from '../../src/api/dependencies.ts'
import { type LiveDependencies, liveRoutes } from '../../src/api/live.ts'
import { liveClientRoutes } from '../../src/api/liveClientRoutes.ts'
import { liveTicketRoutes } from '../../src/api/liveTicketRoutes.ts'
import { createCommandKeys } from '../../src/commands/commandKeys.ts'
import { createFlows } from '../../src/commands/flows.ts'
import { createHandle } from '../../src/commands/handle.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { createMetrics } from '../../src/services/metrics.ts'
import { createLocalPresence, type Presence } from '../../src/services/presence.ts'
import { createTickets } from '../../src/services/tickets.ts'

export const SECRET = 'a secret that is only ever used in tests'

export const token = (sub: string, tenant = 'acme', roles = ['participant'], seconds = 3600) =>
  issueToken(SECRET, { sub, tenant, roles }, seconds)

export interface LiveNode {
  readonly url: string
  readonly deps: AppDependencies
  stop(): Promise<void>
}

/** A node with the live routes alone, on a real port. */
export async function startLiveNode(
  connectionString: string,
  more: Partial<LiveDependencies> & { readonly presence?: Presence } = {},
): Promise<LiveNode> {
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'fatal' })
  const store = await createPostgresEventStore({ connectionString, logger })
  const pool = new pg.Pool({ connectionString, max: 4 })
  pool.on('error', () => {})
  const commandKeys = await createCommandKeys({ connectionString, relaxed: true })
  const deps = {
    config: {},
    store,
    handle: createHandle({ store, commandKeys }),
    flows: createFlows(store),
    pool,
    verifyToken: createTokenVerifier({ jwtSecret: SECRET }),
    logger,
    metrics: createMetrics(),
    now: () => new Date(),
    presence: createLocalPresence(),
    tickets: await createTickets<Caller>(pool),
    ...more,
  } as unknown as LiveDependencies
  const app = await buildApp(deps)
  await app.register(liveRoutes(deps))
  await app.register(liveTicketRoutes(deps))
  await app.register(liveClientRoutes(deps))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    deps,
    async stop() {
      await app.close()
      await deps.presence.close()
      await store.close()
      await commandKeys.close()
      await pool.end()
    },
  }
}

export interface Frame {
  readonly event: string
  readonly data: any
  readonly seq?: number
}

/** A client that keeps every frame it got. */
export interface LiveClient {
  readonly ws: WebSocket
  readonly frames: Frame[]
  /** The frames with a `seq`. */
  seqs(): number[]
  send(event: string, data: object): void
  /** Waits until a frame that came, or comes, is the one. */
  until(is: (frame: Frame) => boolean): Promise<Frame>
  next(event: string): Promise<Frame>
  closed(): Promise<{ code: number; reason: string }>
  close(): Promise<void>
}

export function connect(
  url: string,
  options: { token?: string; ticket?: string; headers?: Record<string, string> } = {},
): LiveClient {
  const ws = new WebSocket(
    `${url.replace('http', 'ws')}/onboarding`,
    options.ticket === undefined ? [] : [`gangway.ticket.${options.ticket}`],
    {
      headers: {
        ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
    },
  )
  const frames: Frame[] = []
  const waiting = new Set<() => void>()
  const end = Promise.withResolvers<{ code: number; reason: string }>()
  let failed: Error | undefined
  const wake = () => {
    for (const look of waiting) look()
  }
  ws.on('message', (data) => {
    frames.push(JSON.parse(String(data)))
    wake()
  })
  ws.on('error', (error) => {
    failed = error
    wake()
  })
  ws.on('close', (code, reason) => {
    end.resolve({ code, reason: String(reason) })
    failed ??= new Error(`closed with ${code} ${reason}; got ${JSON.stringify(frames.slice(-5))}`)
    wake()
  })
  const until = (is: (frame: Frame) => boolean) =>
    new Promise<Frame>((resolve, reject) => {
      const look = () => {
        const found = frames.find(is)
        if (!found && !failed) return
        waiting.delete(look)
        clearTimeout(deadline)
        if (found) resolve(found)
        else reject(failed)
      }
      const deadline = setTimeout(() => {
        waiting.delete(look)
        reject(new Error(`no such frame; the last are ${JSON.stringify(frames.slice(-5))}`))
      }, 10_000)
      waiting.add(look)
      look()
    })
  return {
    ws,
    frames,
    seqs: () => frames.flatMap(({ seq }) => (seq === undefined ? [] : [seq])),
    send: (event, data) => ws.send(JSON.stringify({ event, data })),
    until,
    next: (event) => until((frame) => frame.event === event),
    closed: () => end.promise,
    async close() {
      ws.close()
      await end.promise
    },
  }
}
