import type { FastifyRequest } from 'fastify'
import { problem } from './problem.ts'

const MAX_KEY = 255
const BARE = /^[\x20-\x7e\x80-\xff]+$/
/** An RFC 9651 string, as the Idempotency-Key draft has it. */
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\["\\])*)"$/

/** The request's Idempotency-Key, bare or quoted; undefined without one. @throws ProblemError 422 */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  const text = String(header).trim()
  const key = text.startsWith('"') ? QUOTED.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1') : text
  if (!key || key.length > MAX_KEY || !BARE.test(key) || isRepeated(request, text))
    throw problem(
      422,
      'idempotency_key_invalid',
      `An Idempotency-Key is one text of 1 to ${MAX_KEY} printable characters.`,
    )
  return key
}

/** Node joins headers that come twice; a key with a comma may be one key. */
function isRepeated(request: FastifyRequest, text: string): boolean {
  return text.includes(',') && (request.raw.headersDistinct['idempotency-key']?.length ?? 0) > 1
}
