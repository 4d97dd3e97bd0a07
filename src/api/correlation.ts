import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

const PRINTABLE = /^[\x21-\x7e]{1,128}$/
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/

/** The id that ties together what one cause set off: the caller's own, its W3C trace, or a new one. */
export function correlationIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-correlation-id']
  if (typeof given === 'string' && PRINTABLE.test(given)) return given
  const trace = headers.traceparent
  return (typeof trace === 'string' && TRACEPARENT.exec(trace)?.[1]) || randomUUID()
}
