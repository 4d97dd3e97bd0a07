import { randomUUID } from 'node:crypto'
import type { BaseLogger } from 'pino'
import { onTestFinished } from 'vitest'
import type { NewEvent, StoredEvent } from '../../../src/domain/envelope.ts'
import type { JsonObject } from '../../../src/domain/json.ts'
import { type Position, START } from '../../../src/domain/position.ts'
import type { EventFilter, EventStore, Followed } from '../../../src/eventStore/eventStore.ts'
import {
  createEventStoreDbEventStore,
  type EventStoreDbOptions,
} from '../../../src/eventStore/eventStoreDb.ts'
import { type EsdbServer, type EsdbServerOptions, startEsdbServer } from './server.ts'

/** Times short enough for tests: a try is given up after 300 ms. */
const quick = { deadlineMs: 8_000, attemptMs: 300, heartbeatMs: 150 }

/** A server that ends with the test. */
export async function aServer(options: EsdbServerOptions = {}): Promise<EsdbServer> {
  const server = await startEsdbServer(options)
  onTestFinished(() => server.stop())
  return server
}

/** The engine on a server; closed with the test. */
export async function aStore(
  server: { readonly connectionString: string },
  options: Partial<EventStoreDbOptions> = {},
): Promise<EventStore> {
  const { connectionString } = server
  const store = await createEventStoreDbEventStore({ connectionString, ...quick, ...options })
  onTestFinished(() => store.close())
  return store
}

export function anEvent(type = 'StepCompleted', data: JsonObject = { stepId: 'welcome' }): NewEvent {
  return {
    id: randomUUID(),
    type,
    data,
    metadata: {
      tenant: 'acme',
      actor: { id: 'u1', role: 'participant' },
      commandId: 'c1',
      commandHash: 'h1',
      $correlationId: 'r1',
      $causationId: 'r1',
      occurredAt: '2026-01-01T00:00:00.000Z',
      v: 1,
      chain: 'c'.repeat(64),
    },
  }
}

export const events = (count: number) => Array.from({ length: count }, () => anEvent())

export async function idsOf(reading: AsyncIterable<StoredEvent>): Promise<string[]> {
  const ids: string[] = []
  for await (const event of reading) ids.push(event.id)
  return ids
}

export interface Watched {
  readonly events: StoredEvent[]
  readonly told: Followed[]
  /** Resolves when the condition holds after something was told; throws after the time. */
  until(condition: () => boolean, ms?: number): Promise<void>
  stop(): Promise<void>
}

/** Follows the log and keeps what it is told. */
export function watch(
  store: EventStore,
  options: { from?: Position; pageSize?: number; each?: () => Promise<void> } & EventFilter = {},
): Watched {
  const abort = new AbortController()
  const { from = START, each, ...rest } = options
  const told: Followed[] = []
  const seen: StoredEvent[] = []
  const running = (async () => {
    for await (const followed of store.follow({ from, signal: abort.signal, ...rest })) {
      told.push(followed)
      if (followed.kind === 'events') seen.push(...followed.events)
      await each?.()
    }
  })()
  const stop = async () => {
    abort.abort()
    await running
  }
  onTestFinished(stop)
  return {
    events: seen,
    told,
    until: async (condition, ms = 15_000) => {
      const end = Date.now() + ms
      while (!condition()) {
        if (Date.now() > end) throw new Error(`not within ${ms} ms: ${seen.length} events seen`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    stop,
  }
}

/** A logger that keeps what it is told. */
export function keptLog(): { logger: BaseLogger; messages: string[] } {
  const messages: string[] = []
  const keep = (_: unknown, message?: string) => void messages.push(message ?? '')
  const logger = {
    level: 'trace',
    fatal: keep,
    error: keep,
    warn: keep,
    info: keep,
    debug: keep,
    trace: keep,
  }
  return { logger: { ...logger, silent: keep } as unknown as BaseLogger, messages }
}
