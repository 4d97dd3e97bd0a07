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
    this.#framed ??= [framed(this.each)]
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

/** Whole text messages behind each other, each in one unmasked frame (RFC 6455 §5.2). */
function framed(texts: readonly Buffer[]): Buffer {
  const frames = Buffer.allocUnsafe(texts.reduce((sum, { length }) => sum + headerSize(length) + length, 0))
  let at = 0
  for (const text of texts) {
    at = writeHeader(frames, at, text.length)
    at += text.copy(frames, at)
  }
  return frames
}

const headerSize = (length: number) => (length < 126 ? 2 : length < 65_536 ? 4 : 10)

/** Answers where the text begins. */
function writeHeader(frames: Buffer, at: number, length: number): number {
  frames[at] = FINAL_TEXT
  switch (headerSize(length)) {
    case 2:
      return frames.writeUInt8(length, at + 1)
    case 4:
      frames[at + 1] = 126
      return frames.writeUInt16BE(length, at + 2)
    default:
      frames[at + 1] = 127
      return frames.writeBigUInt64BE(BigInt(length), at + 2)
  }
}

const FINAL_TEXT = 0x81
const TEXT = { binary: false, compress: true } as const
