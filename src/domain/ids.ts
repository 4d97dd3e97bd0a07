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
  const digest = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(name, 'utf8')]), 'hex')
  const variant = ((Number.parseInt(digest[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

/** The id of a command's nth event (from 0): the same command always makes the same ids. */
export function eventId(tenant: string, commandId: string, index: number): string {
  return derivedId('event', tenant, commandId, index)
}
