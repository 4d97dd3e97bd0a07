import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A network between a client and a server that can be told to fail. */
export interface TcpProxy {
  readonly port: number
  /** Nothing passes, in either direction, and nobody is told. */
  stall(): void
  /** What the server says is swallowed; what it is told still arrives. */
  muteServer(): void
  /** Passes everything again, what was stalled first. */
  heal(): void
  /** Resets every connection there is; new ones are taken. */
  cut(): void
  close(): Promise<void>
}

export async function tcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let stalled = false
  let mute = false
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host)
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('data', (bytes) => mute || client.write(bytes))
    if (stalled) for (const socket of pair) socket.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    stall() {
      stalled = true
      for (const pair of pairs) for (const socket of pair) socket.pause()
    },
    muteServer() {
      mute = true
    },
    heal() {
      stalled = false
      mute = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    cut() {
      for (const [client, upstream] of pairs) {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
      }
    },
    async close() {
      server.close()
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await once(server, 'close')
    },
  }
}
