import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A network between a client and a server that fails in the ways networks do. */
export interface Network {
  readonly port: number
  /** Resets every connection there is, and refuses new ones until healed. */
  cut(): void
  /** Each way takes so many milliseconds longer. */
  slow(ms: number): void
  /** The next answer on each connection breaks off in its middle. */
  resetMidAnswer(): void
  /** Nothing passes and nobody is told; what was said arrives when healed. */
  stall(): void
  /** What is connected now is dead for good and is never told; new connections are fine. */
  lose(): void
  heal(): void
  readonly connections: number
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  lost: boolean
  breakOff: boolean
}

export async function network(target: { readonly host: string; readonly port: number }): Promise<Network> {
  const pairs = new Set<Pair>()
  let refusing = false
  let stalled = false
  let delayMs = 0
  /** One direction of a connection: what is sent first arrives first, also when it was slow and no longer is. */
  const line = () => {
    const waiting: (() => void)[] = []
    return (run: () => void) => {
      if (delayMs === 0 && waiting.length === 0) return run()
      waiting.push(run)
      setTimeout(() => waiting.shift()!(), delayMs)
    }
  }
  const server = createServer({ noDelay: true }, (client) => {
    if (refusing) {
      client.on('error', () => {})
      return void client.resetAndDestroy()
    }
    const upstream = connect({ ...target, noDelay: true })
    const pair: Pair = { client, upstream, lost: false, breakOff: false }
    pairs.add(pair)
    const [there, back] = [line(), line()]
    const end = (other: Socket, later: (run: () => void) => void) => () => {
      if (pair.lost) {
        // Whoever is left is not told.
        if (client.destroyed && upstream.destroyed) pairs.delete(pair)
        return
      }
      pairs.delete(pair)
      later(() => other.destroy())
    }
    client.on('error', end(upstream, there)).on('close', end(upstream, there))
    upstream.on('error', end(client, back)).on('close', end(client, back))
    client.on('data', (bytes) => there(() => pair.lost || upstream.destroyed || upstream.write(bytes)))
    upstream.on('data', (bytes) => {
      if (pair.lost) return
      if (pair.breakOff) {
        client.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => client.resetAndDestroy())
        upstream.destroy()
      } else back(() => pair.lost || client.destroyed || client.write(bytes))
    })
    if (stalled) for (const socket of [client, upstream]) socket.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      refusing = true
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
      }
    },
    slow(ms) {
      delayMs = ms
    },
    resetMidAnswer() {
      for (const pair of pairs) pair.breakOff = true
    },
    stall() {
      stalled = true
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.pause()
    },
    lose() {
      for (const pair of pairs) {
        pair.lost = true
        // The server learns of it, as from a client whose machine is gone and whose keep-alive ran out.
        pair.upstream.destroy()
      }
    },
    heal() {
      refusing = false
      stalled = false
      delayMs = 0
      for (const pair of pairs) {
        pair.breakOff = false
        if (!pair.lost) for (const socket of [pair.client, pair.upstream]) socket.resume()
      }
    },
    get connections() {
      return pairs.size
    },
    async close() {
      server.close()
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.destroy()
      await once(server, 'close')
    },
  }
}
