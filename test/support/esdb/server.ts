import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { append, batchAppend, remove } from './appending.ts'
import type { Faults } from './faults.ts'
import { openLog } from './file.ts'
import type { EventLog } from './log.ts'
import { rpcError } from './messages.ts'
import { type Endpoint, Node } from './node.ts'
import { features, GossipService, gossip, ServerFeaturesService, StreamsService, shared } from './proto.ts'
import type { Cut } from './readCall.ts'
import { read } from './reading.ts'

export interface EsdbServer {
  readonly port: number
  readonly connectionString: string
  readonly log: EventLog
  readonly faults: Faults
  /** Subscriptions open now. */
  subscriptions(): number
  /** Subscriptions ever made. */
  subscribed(): number
  /** Reads open now. */
  reading(): number
  /** Cuts every open subscription: cleanly, as too slow, silently or with its connection. */
  cutSubscriptions(how: 'end' | 'tooSlow' | 'down' | 'silent' | 'drop'): void
  /** Resets every connection. */
  dropConnections(): void
  /** Accepts and never answers, also on what is open, until thawed. */
  freeze(frozen: boolean): void
  /** Makes this node a follower of the leader there, or the leader again. */
  follow(leader: Endpoint | undefined): void
  /** What gossip tells; this node alone, as leader, unless told. */
  gossip(members: Node['members']): void
  stop(): Promise<void>
}

export interface EsdbServerOptions {
  /** A free one unless told. */
  readonly port?: number
  /** Keeps the log in this file, so that it is there after a restart. */
  readonly file?: string
  /** Shares the log of another node: a cluster in one process. */
  readonly log?: EventLog
}

/**
 * A server that speaks EventStoreDB's gRPC protocol, from the client's own service definitions, with its log in memory or a file,
 * and that can be told to misbehave.
 */
export async function startEsdbServer(options: EsdbServerOptions = {}): Promise<EsdbServer> {
  const opened = options.log ? { log: options.log, close: () => {} } : openLog(options.file)
  const node = new Node(opened.log)
  const grpc = new Server({ 'grpc.max_receive_message_length': 17 * 1024 * 1024 })
  grpc.addService(StreamsService, {
    append: append(node),
    batchAppend: batchAppend(node),
    read: read(node),
    delete: remove(node, 'soft'),
    tombstone: remove(node, 'hard'),
  } as UntypedServiceImplementation)
  grpc.addService(GossipService, { read: tellGossip(node, () => port) } as UntypedServiceImplementation)
  grpc.addService(ServerFeaturesService, { getSupportedMethods } as UntypedServiceImplementation)

  // Connections are accepted here and handed over, so that each can be reset alone.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const listener = createServer((socket: Socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`
    node.sockets.set(peer, socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => node.sockets.delete(peer))
    injector.injectConnection(socket)
  })
  listener.listen(options.port ?? 0, '127.0.0.1')
  await once(listener, 'listening')
  const port = (listener.address() as { port: number }).port
  node.members = [{ endpoint: { host: '127.0.0.1', port }, state: 'leader', alive: true }]

  const cuts = {
    end: 'endAfter',
    tooSlow: 'tooSlowAfter',
    down: 'downAfter',
    silent: 'silentAfter',
    drop: 'dropAfter',
  } as const
  return {
    port,
    connectionString: `esdb://127.0.0.1:${port}?tls=false`,
    log: node.log,
    faults: node.faults,
    subscriptions: () => node.subscribers.size,
    subscribed: () => node.subscribed,
    reading: () => node.reading,
    cutSubscriptions: (how) => {
      const kind: Cut['kind'] = cuts[how]
      for (const subscriber of [...node.subscribers]) subscriber.cut(kind)
    },
    dropConnections: () => node.dropConnections(),
    freeze: (frozen) => {
      node.frozen = frozen
    },
    follow: (leader) => {
      node.leader = leader
    },
    gossip: (members) => {
      node.members = members
    },
    stop: async () => {
      if (node.stopped) return
      node.stopped = true
      const closed = once(listener, 'close')
      listener.close()
      node.dropConnections()
      injector.destroy()
      grpc.forceShutdown()
      await closed
      opened.close()
    },
  }
}

function tellGossip(node: Node, ownPort: () => number) {
  return (_: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
    if (node.frozen) return
    const fault = node.faults.take('gossip')
    if (fault) return callback(rpcError(14, `gossip of ${ownPort()} fails`))
    const info = new gossip.ClusterInfo()
    for (const member of node.members) {
      const state = member.state === 'leader' ? 'LEADER' : 'FOLLOWER'
      const endpoint = new gossip.EndPoint().setAddress(member.endpoint.host).setPort(member.endpoint.port)
      info.addMembers(
        new gossip.MemberInfo()
          .setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
          .setTimeStamp(String(Date.now()))
          .setState(gossip.MemberInfo.VNodeState[state])
          .setIsAlive(member.alive)
          .setHttpEndPoint(endpoint),
      )
    }
    callback(null, info)
  }
}

function getSupportedMethods(_: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): void {
  const supported = new features.SupportedMethods().setEventStoreServerVersion('24.10.0')
  for (const method of ['append', 'batchappend', 'read', 'delete', 'tombstone']) {
    supported.addMethods(
      new features.SupportedMethod()
        .setServiceName('event_store.client.streams.streams')
        .setMethodName(method),
    )
  }
  callback(null, supported)
}
