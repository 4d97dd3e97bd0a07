import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What stands before several nodes: takes turns among those that say that they are ready, and tries no request twice. */
export interface Balancer {
  readonly url: string
  add(node: string): void
  ready(node: string): boolean
  /** What it answered last when it was asked whether it is ready; undefined before the first time. */
  lastReadiness(node: string): number | undefined
  close(): Promise<void>
}

const LOOK_MS = 100

export async function startBalancer(nodes: readonly string[]): Promise<Balancer> {
  const readiness = new Map<string, { ready: boolean; last: number | undefined }>()
  const agent = new Agent({ keepAlive: true })
  let turn = 0

  const look = async (node: string) => {
    const found = readiness.get(node)!
    const status = await fetch(`${node}/health/ready`).then(
      (answer) => answer.status,
      () => undefined,
    )
    found.ready = status === 200
    if (status !== undefined) found.last = status
  }
  const add = (node: string) => {
    readiness.set(node, { ready: false, last: undefined })
    return look(node)
  }
  await Promise.all(nodes.map(add))
  const looking = setInterval(() => {
    for (const node of readiness.keys()) void look(node)
  }, LOOK_MS)

  const server = createServer((incoming, outgoing) => {
    const ready = [...readiness].filter(([, { ready }]) => ready)
    const node = ready[turn++ % ready.length]?.[0]
    const refuse = (reason: string) => outgoing.writeHead(502).end(JSON.stringify({ reason }))
    if (node === undefined) return refuse('no node is ready')
    const { hostname, port } = new URL(node)
    const { method, url, headers } = incoming
    const passing = request({ agent, hostname, port, method, path: url, headers }, (answer) => {
      const { connection: _, ...rest } = answer.headers
      outgoing.writeHead(answer.statusCode!, rest)
      answer.pipe(outgoing)
    })
    passing.on('error', (error) => (outgoing.headersSent ? outgoing.destroy() : refuse(error.message)))
    incoming.pipe(passing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add: (node) => void add(node),
    ready: (node) => readiness.get(node)?.ready ?? false,
    lastReadiness: (node) => readiness.get(node)?.last,
    async close() {
      clearInterval(looking)
      agent.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
