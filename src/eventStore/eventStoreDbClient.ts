import { EventStoreDBClient } from '@eventstore/db-client'
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type { CallOptions, Channel, Metadata } from '@grpc/grpc-js'
import type { BatchCall } from './eventStoreDbBatch.ts'

type StreamsClient = InstanceType<typeof streamsGrpc.StreamsClient>

/**
 * What we need of the client beside its public functions. Its own batch append keeps one table of pending appends for the whole process:
 * an error on any stream rejects the appends of all clients, an answer that comes after that is a TypeError in a listener, and a queued
 * write is rejected where nobody listens; each of the two ends the process. So appends go over a stream of our own on the client's channel.
 */
interface Internals {
  getGRPCClient(Client: typeof streamsGrpc.StreamsClient, debugName: string): Promise<StreamsClient>
  callArguments(base: { requiresLeader?: boolean }, options: CallOptions): [Metadata, CallOptions]
  handleError(client: StreamsClient, error: Error): Promise<void>
  getChannel(): Promise<Channel>
}

/** One client of `@eventstore/db-client`, made safe to use and to throw away. */
export class GuardedClient {
  readonly api: EventStoreDBClient
  readonly #internals: Internals
  #used = false

  constructor(connectionString: string) {
    this.api = EventStoreDBClient.connectionString(connectionString)
    this.#internals = this.api as unknown as Internals
    // It awaits the next connection, which may itself fail, and nobody awaits it: a rejection here would end the process.
    const handleError = this.#internals.handleError
    this.#internals.handleError = (client, error) => handleError(client, error).catch(() => {})
  }

  /** The gRPC client on the current channel: another one after a reconnect. */
  grpc(): Promise<StreamsClient> {
    this.#used = true
    return this.#internals.getGRPCClient(streamsGrpc.StreamsClient, 'appendToStream')
  }

  openBatch(grpc: StreamsClient): BatchCall {
    // Not asking for the leader: a follower passes appends on, so they go on while the client still looks for the new leader.
    return grpc.batchAppend(...this.#internals.callArguments({}, { deadline: Number.POSITIVE_INFINITY }))
  }

  /** Lets the client reconnect or look for the leader where the error asks for it. */
  async reconnect(grpc: StreamsClient, error: Error): Promise<void> {
    await this.#internals.handleError(grpc, error)
  }

  /**
   * Closes the channel; what is under way ends by itself. `dispose` of the client would end reads as if they were complete, and
   * would leave the channel open.
   */
  async close(): Promise<void> {
    if (!this.#used) return
    const channel = await this.#internals.getChannel().catch(() => undefined)
    channel?.close()
  }
}
