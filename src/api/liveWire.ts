import type { WebSocket } from 'ws'

/** What `ws` writes a frame with once it is made. */
interface Sending {
  readonly _sender?: { readonly sendFrame?: (frame: readonly Buffer[]) => void }
}

let last: Buffer | undefined
let framed: readonly Buffer[] = []

/**
 * Sends a text. What goes to many sockets, as the same buffer, is framed once and written as one piece; `ws` would make a header and two
 * writes for each of them. A socket that compresses has frames of its own.
 */
export function sendText(ws: WebSocket, bytes: Buffer): void {
  const sender = (ws as Sending)._sender
  if (ws.extensions !== '' || ws.readyState !== ws.OPEN || !sender?.sendFrame) {
    ws.send(bytes, TEXT)
    return
  }
  if (bytes !== last) {
    last = bytes
    framed = [Buffer.concat([textHeader(bytes.length), bytes])]
  }
  sender.sendFrame(framed)
}

/** Buffered bytes up to which a socket is given more at once. */
const PACE_BYTES = 256 * 1024

/** Sends a text and waits until the socket has room for more. */
export async function sendTextPaced(ws: WebSocket, bytes: Buffer): Promise<void> {
  if (ws.bufferedAmount < PACE_BYTES) ws.send(bytes, TEXT)
  else await new Promise<void>((sent) => ws.send(bytes, TEXT, () => sent()))
}

/** A whole text message in one unmasked frame (RFC 6455 §5.2). */
function textHeader(length: number): Buffer {
  if (length < 126) return Buffer.from([FINAL_TEXT, length])
  if (length < 65_536) return Buffer.from([FINAL_TEXT, 126, length >> 8, length & 0xff])
  const header = Buffer.alloc(10)
  header[0] = FINAL_TEXT
  header[1] = 127
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}

const FINAL_TEXT = 0x81
const TEXT = { binary: false, compress: true } as const
