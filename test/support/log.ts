import { randomUUID } from 'node:crypto'
import type { DomainEvent } from '../../src/domain/envelope.ts'
import { streamName } from '../../src/domain/stream.ts'
import { encode } from '../../src/eventStore/codec.ts'
import type { AppendResult, EventStore } from '../../src/eventStore/eventStore.ts'

export const signal = (name: string, value = 1): DomainEvent => ({
  type: 'SignalTracked',
  data: { signal: name, value },
})

/** Appends events of a session to its end, encoded as the service does. */
export async function record(
  store: EventStore,
  tenant: string,
  session: string,
  events: readonly DomainEvent<string, unknown>[],
  occurredAt = new Date().toISOString(),
): Promise<Extract<AppendResult, { ok: true }>> {
  return recordIn(store, tenant, streamName('session', tenant, session), events, occurredAt)
}

/** The same for any stream. */
export async function recordIn(
  store: EventStore,
  tenant: string,
  stream: string,
  events: readonly DomainEvent<string, unknown>[],
  occurredAt = new Date().toISOString(),
): Promise<Extract<AppendResult, { ok: true }>> {
  const head = (await store.heads([stream])).get(stream) ?? 'no_stream'
  const command = randomUUID()
  const metadata = {
    tenant,
    actor: { id: 'tester', role: 'system' },
    commandId: command,
    commandHash: '0'.repeat(64),
    $correlationId: command,
    $causationId: command,
    occurredAt,
  }
  const encoded = encode(
    stream,
    events.map((event) => ({ id: randomUUID(), event, metadata })),
    head,
  )
  const result = await store.append(stream, encoded, head === 'no_stream' ? 'no_stream' : head.revision)
  if (!result.ok) throw new Error(`${stream} is at ${result.actual}`)
  return result
}
