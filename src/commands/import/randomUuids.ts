import { randomFillSync } from 'node:crypto'

const BATCH = 256
const HYPHEN = 0x2d
const DIGITS = Buffer.from('0123456789abcdef')
const bytes = Buffer.alloc(BATCH * 16)
const texts = Buffer.alloc(BATCH * 36)
let batch = ''
let given = BATCH

/** A random UUID (RFC 9562 §5.4). For who needs many: they are made by the batch, and keep all of it for as long as one is kept. */
export function nextUuid(): string {
  if (given === BATCH) makeBatch()
  const at = 36 * given++
  return batch.slice(at, at + 36)
}

function makeBatch(): void {
  randomFillSync(bytes)
  for (let n = 0; n < BATCH; n++) {
    bytes[n * 16 + 6] = (bytes[n * 16 + 6]! & 0x0f) | 0x40
    bytes[n * 16 + 8] = (bytes[n * 16 + 8]! & 0x3f) | 0x80
  }
  let at = 0
  for (let i = 0; i < bytes.length; i++) {
    const place = i & 15
    if (place === 4 || place === 6 || place === 8 || place === 10) texts[at++] = HYPHEN
    texts[at++] = DIGITS[bytes[i]! >> 4]!
    texts[at++] = DIGITS[bytes[i]! & 15]!
  }
  batch = texts.toString('latin1')
  given = 0
}
