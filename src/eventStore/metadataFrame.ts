import type { EventMetadata } from '../domain/envelope.ts'

export type Metadata = Omit<EventMetadata, 'chain'>

/** The text of an event's metadata up to the value of `commandId`, and from behind that of `occurredAt`. */
export interface Frame {
  readonly before: string
  readonly after: string
  /** The other members, of the event that it was taken from. */
  readonly shared: Metadata
}

export const BETWEEN = '","occurredAt":"'
export const TIME = '2011-09-30T22:38:44.546Z'.length

/** Undefined where the text is not written as `encode` writes it. */
export function frameOf(text: string, metadata: Metadata): Frame | undefined {
  const { $causationId, $correlationId, actor, commandHash, commandId, occurredAt, tenant, v } = metadata
  if (typeof commandId !== 'string' || typeof occurredAt !== 'string') return undefined
  const first = JSON.stringify({ $causationId, $correlationId, actor, commandHash })
  const before = `${first.slice(0, -1)},"commandId":"`
  const after = `",${JSON.stringify({ tenant, v }).slice(1)}`
  const value = (member: string) => JSON.stringify(member).slice(1, -1)
  if (text !== before + value(commandId) + BETWEEN + value(occurredAt) + after) return undefined
  return { before, after, shared: metadata }
}
