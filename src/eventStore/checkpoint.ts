import { hash } from 'node:crypto'
import type { StoredEvent } from '../domain/envelope.ts'
import { type Position, START } from '../domain/position.ts'
import { canonicalJson } from './canonicalJson.ts'
import type { CheckpointKey } from './checkpointKey.ts'

/**
 * A tenant's whole history in one line: how many events there are up to a position, and a digest that any change of one of them,
 * of their order, their positions or the times they were written would change. A stream's chain cannot tell that its end was cut
 * off or that it is gone altogether; this can, as long as the line is kept where the database's owner cannot rewrite it.
 */
export interface TenantDigest {
  readonly count: number
  /** Of the tenant's last event. */
  readonly position: Position
  /** SHA-256 (hex); empty before the first event. */
  readonly digest: string
}

export interface Checkpoint extends TenantDigest {
  readonly tenant: string
  /** When it was signed (ISO 8601). */
  readonly at: string
  /** Id of the key that signed: the first 16 hex digits of the SHA-256 of the public key (SPKI, DER). */
  readonly key: string
  /** Ed25519 (RFC 8032) over the canonical JSON of everything else, base64url. */
  readonly signature: string
}

/** A checkpoint that the log does not agree with, and the last one before it that it does. */
export interface Mismatch {
  readonly checkpoint: Checkpoint
  readonly after: Position
}

export const noEvents: TenantDigest = { count: 0, position: START, digest: '' }

/** The digest after one more event of the tenant: SHA-256 over the digest before it, its position, time of writing and chain. */
export function extendDigest(
  before: TenantDigest,
  event: Pick<StoredEvent, 'position' | 'recordedAt' | 'metadata'>,
): TenantDigest {
  const { position, recordedAt, metadata } = event
  return {
    count: before.count + 1,
    position,
    digest: hash('sha256', `${before.digest} ${position} ${recordedAt} ${metadata.chain}`, 'hex'),
  }
}

export function signCheckpoint(
  key: CheckpointKey,
  tenant: string,
  digest: TenantDigest,
  at: string,
): Checkpoint {
  const { count, position } = digest
  const signed = { tenant, count, position, digest: digest.digest, at, key: key.id }
  return { ...signed, signature: key.sign(canonicalJson(signed)) }
}

export function isSignedBy(key: CheckpointKey, checkpoint: Checkpoint): boolean {
  const { tenant, count, position, digest, at, key: id, signature } = checkpoint
  return (
    id === key.id && key.verify(canonicalJson({ tenant, count, position, digest, at, key: id }), signature)
  )
}
