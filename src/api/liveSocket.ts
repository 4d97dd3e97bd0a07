import { type RawData, WebSocket } from 'ws'

export interface SocketListener {
  receive(data: RawData, isBinary: boolean): void
  /** The other side answered a ping. */
  alive(): void
  /** The socket is gone. */
  ended(): void
}

/**
 * A socket that tells one listener and no others. The table in which an emitter keeps the listeners of each, with what `ws`'s server
 * puts into it, would take more memory than the connection itself.
 */
export class LiveSocket extends WebSocket {
  listener: SocketListener | undefined

  override emit(event: string | symbol, ...told: unknown[]): boolean {
    switch (event) {
      case 'message':
        this.listener?.receive(told[0] as RawData, told[1] as boolean)
        break
      case 'pong':
        this.listener?.alive()
        break
      case 'close':
        this.listener?.ended()
    }
    // An error needs nobody: `ws` answers what breaks the protocol with a close by itself.
    return true
  }
}
