import type { EventMetadata, StoredEvent } from '../domain/envelope.ts'

/** A row of the log as PostgreSQL writes it in a session in UTC; the columns are those of `COLUMNS` in postgresRead.ts. */
export type EventRow = readonly string[]

export function toEvent(row: EventRow): StoredEvent {
  return {
    id: row[3]!,
    type: kept(row[4]!),
    stream: row[0]!,
    revision: Number(row[1]),
    position: row[2]!,
    data: JSON.parse(row[6]!),
    metadata: metadataOf(row[7]!, row[8]!),
    recordedAt: isoTime(row[5]!),
  }
}

const types = new Map<string, string>()
const MOST_TYPES = 1000

/** The same text, the first one of it that there was: it is compared and looked up over and over. */
export function kept(type: string): string {
  const known = types.get(type)
  if (known !== undefined) return known
  if (types.size < MOST_TYPES) types.set(type, type)
  return type
}

/** The text of an event's metadata up to the value of `commandId`, and from behind that of `occurredAt`. */
interface Frame {
  readonly before: string
  readonly after: string
  readonly shared: Metadata
}
type Metadata = Omit<EventMetadata, 'chain'>

const BETWEEN = '","occurredAt":"'
const TIME = '2011-09-30T22:38:44.546Z'.length

let frame: Frame | undefined
let last: Metadata | undefined

/**
 * Metadata out of its text. The events of one import differ in two members only: once two have come one after the other, the others
 * that look alike are not parsed anew.
 */
export function metadataOf(text: string, chain: string): EventMetadata {
  if (frame !== undefined && text.startsWith(frame.before) && text.endsWith(frame.after)) {
    const { shared } = frame
    const start = frame.before.length
    const end = text.length - frame.after.length
    const at = end - TIME
    const close = at - BETWEEN.length
    // Neither value has a quote or anything escaped in it, so that nothing else can stand between the two.
    if (
      close >= start &&
      text.startsWith(BETWEEN, close) &&
      text.indexOf('"', start) === close &&
      text.indexOf('"', at) === end
    ) {
      const commandId = text.slice(start, close)
      const occurredAt = text.slice(at, end)
      if (!commandId.includes('\\') && !occurredAt.includes('\\'))
        return {
          $causationId: shared.$causationId,
          $correlationId: shared.$correlationId,
          actor: shared.actor,
          commandHash: shared.commandHash,
          commandId,
          occurredAt,
          tenant: shared.tenant,
          v: shared.v,
          chain,
        }
    }
  }
  const metadata = JSON.parse(text)
  if (metadata.$causationId === last?.$causationId) frame = frameOf(text, metadata) ?? frame
  last = metadata
  metadata.chain = chain
  return metadata
}

/** Undefined where the text is not written as `encode` writes it. */
function frameOf(text: string, metadata: Metadata): Frame | undefined {
  const { $causationId, $correlationId, actor, commandHash, commandId, occurredAt, tenant, v } = metadata
  if (typeof commandId !== 'string' || typeof occurredAt !== 'string') return undefined
  const first = JSON.stringify({ $causationId, $correlationId, actor, commandHash })
  const before = `${first.slice(0, -1)},"commandId":"`
  const after = `",${JSON.stringify({ tenant, v }).slice(1)}`
  const value = (member: string) => JSON.stringify(member).slice(1, -1)
  if (text !== before + value(commandId) + BETWEEN + value(occurredAt) + after) return undefined
  return { before, after, shared: metadata }
}

let lastTime = ''
let lastIso = ''

/** `2026-11-20 10:00:00.12` → `2026-11-20T10:00:00.120Z`. What was appended together has the same. */
function isoTime(text: string): string {
  if (text === lastTime) return lastIso
  const fraction = text[19] === '.' ? text.slice(20, 23) : ''
  lastTime = text
  lastIso = `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(3, '0')}Z`
  return lastIso
}
