import { hash, randomUUID } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { CommandContext } from '../commands/handle.ts'
import { canonicalJson } from '../eventStore/canonicalJson.ts'
import { actorOf } from './auth.ts'
import { idempotencyKeyOf } from './idempotencyKey.ts'

/** Everything about the command that a request is. @throws ProblemError 422 for a key that is none */
export function commandContext(request: FastifyRequest, now: Date): CommandContext {
  const key = idempotencyKeyOf(request)
  const condition = request.headers['if-match']
  return {
    tenant: request.caller.tenant,
    actor: actorOf(request.caller),
    commandId: key ?? randomUUID(),
    commandHash: requestHash(request),
    correlationId: request.id,
    keyed: key !== undefined,
    occurredAt: now.toISOString(),
    ...(condition === undefined ? {} : { ifMatch: ifMatch(condition) }),
  }
}

/** SHA-256 over method, path and body; equal for bodies that say the same in another order of members. */
function requestHash(request: FastifyRequest): string {
  const body = request.body === undefined ? '' : canonicalJson(request.body)
  return hash('sha256', `${request.method} ${request.url}\n${body}`, 'hex')
}

/**
 * Reads `If-Match` (RFC 9110 §13.1.1): `*`, or entity tags of which one must be the revision. Weak tags never match. A bare number is
 * taken too: shells eat quotes.
 */
export function ifMatch(header: string): (revision: number) => boolean {
  const tags = header.split(',').map((tag) => tag.trim())
  if (tags.includes('*')) return () => true
  const revisions = new Set(
    tags.map((tag) => /^"(\d+)"$|^(\d+)$/.exec(tag)).map((found) => found?.[1] ?? found?.[2]),
  )
  return (revision) => revisions.has(String(revision))
}
