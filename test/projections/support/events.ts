import { randomUUID } from 'node:crypto'
import type { DomainEvent, RecordedEvent } from '../../../src/domain/envelope.ts'
import { streamName } from '../../../src/domain/stream.ts'
import { familiesOf } from '../../../src/projections/family.ts'
import { foldEvents, type RowLookup } from '../../../src/projections/fold.ts'
import type { AnyProjection, AnyRow } from '../../../src/projections/projection.ts'

export const T0 = '2026-03-02T09:00:00.000Z'

export function secondsLater(seconds: number, from = T0): string {
  return new Date(Date.parse(from) + seconds * 1000).toISOString()
}

/** An event as read from the log; `after` in seconds from T0. */
export interface Told {
  readonly type: string
  readonly data: unknown
  readonly after?: number
}

export const started = (more: object = {}): Told => ({
  type: 'SessionStarted',
  data: { flowId: 'welcome', flowVersion: 1, userId: 'ada', context: {}, ...more },
})
export const step = (type: `Step${string}`, stepId: string, after: number, more: object = {}): Told => ({
  type,
  data: { stepId, ...more },
  after,
})
export const told = (type: string, data: object, after = 0): Told => ({ type, data, after })

export function recorded(
  events: readonly Told[],
  { category = 'session', tenant = 'acme', id = 's1' } = {},
): RecordedEvent[] {
  const stream = streamName(category, tenant, id)
  return events.map(({ type, data, after = 0 }, revision) => ({
    id: randomUUID(),
    type,
    data: data as never,
    stream,
    revision,
    position: String(revision + 1),
    recordedAt: T0,
    metadata: {
      tenant,
      actor: { id: 'tester', role: 'admin' },
      commandId: 'c',
      commandHash: '0',
      $correlationId: 'c',
      $causationId: 'c',
      occurredAt: secondsLater(after),
      v: 1,
      chain: '0',
    },
  })) as RecordedEvent<DomainEvent<string, never>>[]
}

/** Folds events from nothing, without a database, and answers the rows of every projection. */
export function fold(projections: readonly AnyProjection[], events: readonly RecordedEvent[]) {
  const rows = new Map<string, AnyRow>()
  const errors: string[] = []
  const nothing: RowLookup = { get: () => null }
  for (const family of familiesOf(projections)) {
    const result = foldEvents(family, events, nothing, new Set())
    if ('missing' in result) throw new Error('nothing is missing where nothing exists')
    for (const [member, changed] of result.changed)
      for (const { key, row } of changed.values()) if (row) rows.set(`${member.name} ${key.join(' ')}`, row)
    for (const { error } of result.parked) if (error) errors.push(error)
  }
  return { rows, errors, row: (name: string) => rows.get(name) }
}
