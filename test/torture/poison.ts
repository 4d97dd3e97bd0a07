import { randomUUID } from 'node:crypto'
import type { EventMetadata, NewEvent } from '../../src/domain/envelope.ts'
import { chainOf } from '../../src/eventStore/chain.ts'
import type { Random } from './random.ts'
import { TENANTS } from './tenants.ts'
import type { World } from './world.ts'

/** Data that no version of the code would write: what a build with a bug, or a hand in the database, leaves behind. */
const POISON = [
  { type: 'StepCompleted', data: {} },
  { type: 'StepCompleted', data: { stepId: 7, data: null } },
  { type: 'StepCompleted', data: { stepId: 'a\u0000b', data: {} } },
  { type: 'SessionStarted', data: { flowId: null } },
  { type: 'SignalTracked', data: { signal: { not: 'text' }, value: 'many' } },
  { type: 'MilestoneReached', data: { percent: 'all' } },
  { type: 'SessionCompleted', data: null },
] as const

/** Puts events into streams of their own that no fold can take, with an intact chain. */
export async function poisonLog({ openStore }: World, random: Random): Promise<void> {
  const poison = random.pick(POISON)
  const tenant = random.pick(TENANTS)
  const stream = `session-${tenant}_poison-${randomUUID()}`
  const store = await openStore()
  try {
    const id = randomUUID()
    const metadata: Omit<EventMetadata, 'chain'> = {
      tenant,
      actor: { id: 'poison', role: 'system' },
      commandId: id,
      commandHash: '',
      $correlationId: id,
      $causationId: id,
      occurredAt: new Date().toISOString(),
      v: 1,
    }
    const event = {
      id,
      type: poison.type,
      data: poison.data as unknown as NewEvent['data'],
      stream,
      revision: 0,
      metadata,
    }
    const chain = chainOf(undefined, event)
    await store.append(
      stream,
      [{ id, type: event.type, data: event.data, metadata: { ...metadata, chain } }],
      'no_stream',
    )
  } finally {
    await store.close()
  }
}
