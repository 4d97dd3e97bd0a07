import type { NewEvent } from '../domain/envelope.ts'
import { EncodedEvent } from './encodedEvent.ts'
import type { ExpectedRevision } from './eventStore.ts'

/** The largest append: EventStoreDB's own limit, so that both engines take the same. */
const MAX_APPEND_BYTES = 1_048_576

/** An append that no log would take: the caller is wrong, and nothing is written. */
export class InvalidAppend extends Error {
  override readonly name = 'InvalidAppend'
}

/** @throws InvalidAppend for what either engine would choke on, before it is sent to any. */
export function checkAppend(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): void {
  if (stream === '' || stream.length > 1000 || !isStorable(stream) || stream.startsWith('$'))
    throw new InvalidAppend(`${JSON.stringify(stream)} cannot be a stream`)
  if (events.length === 0) throw new InvalidAppend('An append has at least one event')
  if (expected !== 'no_stream' && !(Number.isInteger(expected) && expected >= 0))
    throw new InvalidAppend(`Expected revision ${expected} is neither a revision nor 'no_stream'`)
  for (const event of events) {
    const { id, type, metadata } = event
    if (!UUID.test(id)) throw new InvalidAppend(`Event id ${JSON.stringify(id)} is not a UUID`)
    // What `encode` made has a chain, and a type out of the catalogue.
    if (EncodedEvent.is(event)) continue
    if (type === '' || !isStorable(type)) throw new InvalidAppend(`${JSON.stringify(type)} cannot be a type`)
    if (!SHA256.test(metadata.chain)) throw new InvalidAppend(`Event ${id} has no chain: encode it first`)
  }
}

/** @throws InvalidAppend */
export function checkSize(bytes: number): void {
  if (bytes > MAX_APPEND_BYTES)
    throw new InvalidAppend(`An append of ${bytes} bytes is larger than ${MAX_APPEND_BYTES}`)
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const SHA256 = /^[0-9a-f]{64}$/
