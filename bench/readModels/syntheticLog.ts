import { derivedId } from '../../src/domain/ids.ts'
import type { SessionEvent } from '../../src/domain/sessionEvents.ts'
import { streamName } from '../../src/domain/stream.ts'
import { encode } from '../../src/eventStore/codec.ts'
import type { Append, EventStore } from '../../src/eventStore/eventStore.ts'

export const TENANT = 'bench'
export const FLOW = 'loans'
const STEPS = 24
const SESSIONS_A_CALL = 200

/**
 * Fills a log as an import of BPI 2012 would: sessions of 20 completed steps on average, out of 24, one session after the other. The same
 * each time. Answers how many events it holds.
 */
export async function fillLog(
  store: EventStore,
  sessions: number,
  log: (line: string) => void = () => {},
): Promise<number> {
  let events = 0
  let pending: Promise<unknown> = Promise.resolve()
  for (let first = 0; first < sessions; first += SESSIONS_A_CALL) {
    const appends: Append[] = []
    for (let n = first; n < Math.min(first + SESSIONS_A_CALL, sessions); n++) appends.push(session(n))
    events += appends.reduce((sum, append) => sum + append.events.length, 0)
    await pending
    pending = store.appendMany(appends)
    if (first % 20_000 === 0) log(`${events} events appended`)
  }
  await pending
  return events
}

function session(n: number): Append {
  const id = `case-${String(n).padStart(8, '0')}`
  const stream = streamName('session', TENANT, id)
  const random = randomFrom(n)
  let at = Date.UTC(2011, 9, 1) + n * 17_000
  const history: { event: SessionEvent; at: number }[] = [
    {
      event: {
        type: 'SessionStarted',
        data: { flowId: FLOW, flowVersion: 1, userId: null, context: {}, imported: true },
      },
      at,
    },
  ]
  const length = 3 + Math.floor(random() * 35)
  let stepId = 'step_0'
  for (let step = 0; step < length; step++) {
    if (random() > 0.4) stepId = `step_${Math.floor(random() * Math.min(STEPS, step + 3))}`
    history.push({ event: { type: 'StepCompleted', data: { stepId, data: { resource: 10_000 + n } } }, at })
    at += Math.floor(random() ** 4 * 86_400_000)
  }
  const events = encode(
    stream,
    history.map(({ event, at: time }, index) => ({
      id: derivedId('bench', n, index),
      event,
      metadata: {
        tenant: TENANT,
        actor: { id: 'ada', role: 'admin' },
        commandId: 'import-1',
        commandHash: '0'.repeat(64),
        $correlationId: 'import-1',
        $causationId: 'import-1',
        occurredAt: new Date(time).toISOString(),
      },
    })),
    'no_stream',
  )
  return { stream, events, expected: 'no_stream' }
}

/** mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
