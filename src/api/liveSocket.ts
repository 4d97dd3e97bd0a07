import type { RawData, WebSocket } from 'ws'

export interface SocketListener {
  receive(data: RawData, isBinary: boolean): void
  /** The other side answered a ping. */
  alive(): void
  /** The socket is gone. */
  ended(): void
}

const LISTENER = Symbol('listener')
type Heard = WebSocket & { [LISTENER]: SocketListener }

/** The functions are shared by all sockets: a closure each would cost more than the connection. */
export function listenTo(ws: WebSocket, listener: SocketListener): void {
  ;(ws as Heard)[LISTENER] = listener
  ws.on('message', onMessage).on('pong', onPong).on('error', onError).on('close', onClose)
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  ;(this as Heard)[LISTENER].receive(data, isBinary)
}
function onPong(this: WebSocket): void {
  ;(this as Heard)[LISTENER].alive()
}
/** `ws` answers what breaks the protocol with a close by itself. */
function onError(): void {}
function onClose(this: WebSocket): void {
  ;(this as Heard)[LISTENER].ended()
}
