import type { EventMetadata, StoredEvent } from '../domain/envelope.ts'
import { BETWEEN, type Frame, frameOf, type Metadata, TIME } from './metadataFrame.ts'

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

let frame: Frame | undefined

/** What the metadata that was read lately has in common. */
export const lastFrame = (): Frame | undefined => frame

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
