import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { Fault, Operation } from './faults.ts'
import type { Endpoint } from './node.ts'
import type { EsdbServer } from './server.ts'

/** What the control port takes: one command a POST, as JSON. */
export type ControlCommand =
  | {
      readonly command: 'inject'
      readonly operation: Operation
      readonly fault: Fault
      readonly times?: number | 'always'
    }
  | { readonly command: 'clear' }
  | { readonly command: 'dropConnections' }
  | { readonly command: 'cutSubscriptions'; readonly how: 'end' | 'tooSlow' | 'down' | 'silent' | 'drop' }
  | { readonly command: 'freeze'; readonly frozen: boolean }
  | { readonly command: 'follow'; readonly leader?: Endpoint }

/** A small HTTP port to steer a server that runs as its own process: GET tells how it is, POST takes a command. */
export async function startControl(
  server: EsdbServer,
  port: number,
): Promise<{ port: number; stop(): void }> {
  const http = createServer((request, response) => {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (request.method === 'GET') return answer(200, stateOf(server))
    bodyOf(request)
      .then((body) => {
        carryOut(server, JSON.parse(body) as ControlCommand)
        answer(200, stateOf(server))
      })
      .catch((error: unknown) => answer(400, { error: String(error) }))
  })
  http.listen(port, '127.0.0.1')
  await once(http, 'listening')
  return { port: (http.address() as { port: number }).port, stop: () => http.close() }
}

function carryOut(server: EsdbServer, command: ControlCommand): void {
  switch (command.command) {
    case 'inject': {
      const times = command.times === 'always' ? Number.POSITIVE_INFINITY : command.times
      server.faults.inject(command.operation, command.fault, times)
      return
    }
    case 'clear':
      server.faults.clear()
      return
    case 'dropConnections':
      server.dropConnections()
      return
    case 'cutSubscriptions':
      server.cutSubscriptions(command.how)
      return
    case 'freeze':
      server.freeze(command.frozen)
      return
    case 'follow':
      server.follow(command.leader)
      return
  }
}

function stateOf(server: EsdbServer) {
  return {
    port: server.port,
    events: server.log.all.length,
    subscriptions: server.subscriptions(),
    faultsMet: server.faults.met,
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
