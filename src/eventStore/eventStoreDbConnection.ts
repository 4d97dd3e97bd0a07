import type { BaseLogger } from 'pino'
import { EventStoreUnavailable } from './eventStore.ts'
import { AppendStream } from './eventStoreDbBatch.ts'
import { GuardedClient } from './eventStoreDbClient.ts'
import { isClientsBusiness, messageOf } from './eventStoreDbErrors.ts'
import { type EventStoreDbUrl, withKeepAlive } from './eventStoreDbUrl.ts'

/** The current client and append stream. A client that hangs or breaks inside is thrown away and a new one takes its place. */
export class Connection {
  readonly url: EventStoreDbUrl
  readonly #logger: BaseLogger | undefined
  #generation = 0
  #client: GuardedClient
  #appends: { readonly stream: AppendStream; readonly grpc: unknown } | undefined
  #closed = false
  readonly #closing = new AbortController()

  constructor(url: EventStoreDbUrl, logger: BaseLogger | undefined) {
    this.url = url
    this.#logger = logger
    this.#client = this.#build()
  }

  /** Aborts when the store begins to close: nothing new is taken, and followers end. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  beginClosing(): void {
    this.#closing.abort()
  }

  get client(): GuardedClient {
    if (this.#closed) throw new EventStoreUnavailable('The log is closed')
    return this.#client
  }

  /** The open append stream of the current client; a new one after a reconnect. */
  async appends(): Promise<AppendStream> {
    const client = this.client
    const grpc = await client.grpc()
    const open = this.#appends
    if (open && open.grpc === grpc && !open.stream.broken) return open.stream
    if (client !== this.#client) throw new Error('The client was replaced')
    const stream = new AppendStream(client.openBatch(grpc), (error) => void client.reconnect(grpc, error))
    this.#appends = { stream, grpc }
    return stream
  }

  /** Tells of a call that failed on a client. What the client mends itself is left to it, else it is replaced. */
  failed(client: GuardedClient, error: unknown): void {
    if (client !== this.#client || this.#closed || isClientsBusiness(error)) return
    this.#logger?.warn({ err: error, hosts: this.url.hosts }, `EventStoreDB: new client, ${messageOf(error)}`)
    this.#client = this.#build()
    this.#appends?.stream.cancel(new Error('The client was replaced'))
    this.#appends = undefined
    void client.close()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.beginClosing()
    this.#appends?.stream.cancel(new EventStoreUnavailable('The log is closed'))
    await this.#client.close()
  }

  /**
   * gRPC shares one TCP connection between channels with equal options, so a new client would sit on the hanging connection of the old:
   * each gets its own keep-alive interval, some milliseconds apart.
   */
  #build(): GuardedClient {
    this.#generation += 1
    const { keepAliveInterval } = this.url
    const apart = keepAliveInterval < 0 ? keepAliveInterval : keepAliveInterval + (this.#generation % 1000)
    return new GuardedClient(withKeepAlive(this.url, apart))
  }
}
