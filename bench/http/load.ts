import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import autocannon, { type Request as CannonRequest } from 'autocannon'
import { issueToken } from '../../src/api/auth.ts'
import type { NodeRoles } from '../../src/config.ts'

export const SECRET = 'a secret that is only ever used by this bench'
export const FLOW = 'bench'

export interface Server {
  readonly url: string
  stop(): Promise<void>
}

export async function startServer(
  kind: 'ours' | 'bare',
  connectionString: string,
  roles: NodeRoles = 'all',
): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gangway-bench-'))
  const child: ChildProcess = fork(
    new URL('server.ts', import.meta.url),
    [kind, connectionString, SECRET, dataDir, roles],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url))
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  return {
    url,
    async stop() {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGKILL')
      await ended
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export const bearer = async () => ({
  authorization: `Bearer ${await issueToken(SECRET, { tenant: 'acme', sub: 'ann', roles: ['admin'] }, 3600)}`,
})

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: string
}

export interface Load {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly failed: number
}

/** So many connections, each sending its own requests in turn, each after the answer to the one before. */
export async function load(
  url: string,
  options: {
    readonly connections: number
    readonly seconds: number
    readonly requests: (connection: number) => readonly Request[]
    /** Requests a second altogether; as many as go unless told. */
    readonly rate?: number
  },
): Promise<Load> {
  const headers = { ...(await bearer()), 'content-type': 'application/json' }
  let connection = 0
  const result = await autocannon({
    url,
    connections: options.connections,
    duration: options.seconds,
    headers,
    ...(options.rate ? { overallRate: options.rate } : {}),
    setupClient(client) {
      client.setRequests(
        options.requests(connection++).map((request) => ({ ...request, headers })) as CannonRequest[],
      )
    },
  })
  return {
    perSecond: result['2xx'] / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
  }
}

export async function call(url: string, request: Request): Promise<{ id: string }> {
  const response = await fetch(url + request.path, {
    method: request.method,
    headers: { ...(await bearer()), 'content-type': 'application/json' },
    ...(request.body === undefined ? {} : { body: request.body }),
  })
  if (!response.ok) throw new Error(`${request.path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as { id: string }
}

/** Publishes the flow of the bench and starts sessions of it. */
export async function prepareSessions(url: string, count: number): Promise<string[]> {
  await call(url, { method: 'POST', path: '/flows', body: JSON.stringify(flow) })
  const ids: string[] = []
  const start = { method: 'POST', path: '/onboarding/start', body: JSON.stringify({ flowId: FLOW }) } as const
  while (ids.length < count) {
    const some = Array.from({ length: Math.min(64, count - ids.length) }, () => call(url, start))
    ids.push(...(await Promise.all(some)).map(({ id }) => id))
  }
  return ids
}

/** An answer like those people give, and the body it is submitted in. */
export const answerBody = (n: number) =>
  JSON.stringify({
    action: 'submit',
    data: { name: `Company ${n}`, size: 1 + (n % 500), country: 'FR', email: `someone${n}@example.com` },
  })

const text = (id: string) => ({ id, title: id, kind: 'form' })
const flow = {
  id: FLOW,
  title: 'Bench',
  steps: [
    {
      ...text('company'),
      schema: {
        type: 'object',
        required: ['name', 'size'],
        additionalProperties: false,
        properties: {
          name: { type: 'string', minLength: 2, maxLength: 100 },
          size: { type: 'integer', minimum: 1, maximum: 100_000 },
          country: { type: 'string', pattern: '^[A-Z]{2}$' },
          email: { type: 'string', maxLength: 200 },
        },
      },
    },
    { ...text('team'), dependsOn: ['company'], visibleWhen: 'answers.company.size > 1' },
    { ...text('channels'), required: false },
    text('review'),
    text('done'),
  ],
}
