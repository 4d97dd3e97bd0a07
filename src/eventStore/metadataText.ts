import type { EventMetadata } from '../domain/envelope.ts'
import { canonicalJson } from './canonicalJson.ts'

/** Metadata as its chain covers it: all but the chain. */
type Covered = Omit<EventMetadata, 'chain'>

/** The text of metadata around `commandId` and `occurredAt`, which alone differ between the events of one import. */
export interface MetadataFrame {
  readonly before: string
  readonly between: string
  readonly after: string
}

let last: (MetadataFrame & { readonly of: Covered }) | undefined

/**
 * The canonical JSON (RFC 8785) of an event's metadata without its chain. Throws on what has none. Events that follow each other mostly
 * share all but two members: what surrounds those is kept from one to the next.
 */
export function metadataText(metadata: Covered): string {
  if (last === undefined || !fits(last.of, metadata)) last = { of: metadata, ...metadataFrame(metadata) }
  const { before, between, after } = last
  return before + canonicalJson(metadata.commandId) + between + canonicalJson(metadata.occurredAt) + after
}

function fits(known: Covered, metadata: Covered): boolean {
  return (
    known.$causationId === metadata.$causationId &&
    known.$correlationId === metadata.$correlationId &&
    known.actor.id === metadata.actor.id &&
    known.actor.role === metadata.actor.role &&
    known.commandHash === metadata.commandHash &&
    known.tenant === metadata.tenant &&
    known.v === metadata.v
  )
}

/** The members in sorted order. */
export function metadataFrame(metadata: Omit<Covered, 'commandId' | 'occurredAt'>): MetadataFrame {
  const { $causationId, $correlationId, actor, commandHash, tenant, v } = metadata
  const causation = canonicalJson($causationId)
  const correlation = canonicalJson($correlationId)
  const actorText = `{"id":${canonicalJson(actor.id)},"role":${canonicalJson(actor.role)}}`
  return {
    before: `{"$causationId":${causation},"$correlationId":${correlation},"actor":${actorText},"commandHash":${canonicalJson(commandHash)},"commandId":`,
    between: ',"occurredAt":',
    after: `,"tenant":${canonicalJson(tenant)},"v":${v}}`,
  }
}
