import type { WebSocket } from 'ws'

/** Texts that go to many sockets, one after the other: framed once for all of them, as one piece. */
export class SharedTexts {
  readonly each: readonly Buffer[]
  /** Of all of them, without their headers. */
  readonly bytes: number
  #framed: readonly [Buffer] | undefined

  constructor(each: readonly Buffer[]) {
    this.each = each
    this.bytes = each.reduce((sum, text) => sum + text.length, 0)
  }

  get framed(): readonly [Buffer] {
    this.#framed ??= [Buffer.concat(this.each.flatMap((text) => [textHeader(text.length), text]))]
    return this.#framed
  }
}

/** What `ws` writes a frame with once it is made. */
interface Sending {
  readonly _sender?: { readonly sendFrame?: (frame: readonly Buffer[]) => void }
}

/**
 * Sends texts that other sockets get, too, in one write; `ws` would make a header and two writes for each text and socket. A socket
 * that compresses has frames of its own.
 */
export function sendShared(ws: WebSocket, texts: SharedTexts): void {
  const sender = (ws as Sending)._sender
  if (ws.extensions !== '' || ws.readyState !== ws.OPEN || !sender?.sendFrame)
    for (const text of texts.each) ws.send(text, TEXT)
  else sender.sendFrame(texts.framed)
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
