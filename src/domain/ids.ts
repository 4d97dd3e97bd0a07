import { hash } from 'node:crypto'

/** Namespace of every id that Gangway derives (RFC 9562 §6.6). */
const NAMESPACE = Buffer.from('6f1b3c0e8f7a4f0e9a55b3c5d2e14a77', 'hex')

/** A UUIDv5 (RFC 9562 §5.5) of the given parts; parts are length-prefixed, so ('ab','c') differs from ('a','bc'). */
export function derivedId(...parts: readonly (string | number)[]): string {
  let name = ''
  for (const part of parts) {
    const text = String(part)
    name += `${text.length}:${text}`
  }
  const digest = hash('sha1', bytesOf(name), 'hex')
  const variant = ((Number.parseInt(digest[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

/** The namespace and the name; made in one place over and over, since ids are made for every event. */
function bytesOf(name: string): Uint8Array {
  if (name.length * 3 > ROOM) return Buffer.concat([NAMESPACE, Buffer.from(name, 'utf8')])
  const length = room.write(name, NAMESPACE.length, 'utf8')
  return room.subarray(0, NAMESPACE.length + length)
}

const ROOM = 3000
const room = Buffer.alloc(NAMESPACE.length + ROOM)
NAMESPACE.copy(room)

/** The id of a command's nth event (from 0): the same command always makes the same ids. */
export function eventId(tenant: string, commandId: string, index: number): string {
  return derivedId('event', tenant, commandId, index)
}
