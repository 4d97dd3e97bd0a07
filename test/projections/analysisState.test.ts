import { expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/domain/envelope.ts'
import { streamName } from '../../src/domain/stream.ts'
import { AnalysisState } from '../../src/projections/analysis/state.ts'

const event = (position: number, category: string, id: string, type: string, data: object): RecordedEvent =>
  ({
    id: `id-${position}`,
    stream: streamName(category, 'acme', id),
    type,
    data,
    position: String(position),
    revision: 0,
    recordedAt: '2026-01-01T00:00:00.000Z',
    metadata: { tenant: 'acme', occurredAt: '2026-01-01T00:00:00.000Z' },
  }) as unknown as RecordedEvent

const started = (position: number, id: string, flowId = 'f', userId: string | null = null) =>
  event(position, 'session', id, 'SessionStarted', { flowId, flowVersion: 1, userId, context: {} })
const completed = (position: number, id: string) =>
  event(position, 'session', id, 'StepCompleted', { stepId: 'a', data: {} })
const fold = (...events: RecordedEvent[]) => {
  const state = new AnalysisState()
  for (const one of events) state.apply(one)
  return state
}
const eventsOf = (state: AnalysisState, flowId: string) => state.source('acme', flowId, 0)?.index.events

test('an event that comes again, as after a broken connection, counts once', () => {
  const [first, second] = [started(1, 's'), completed(2, 's')]
  expect(eventsOf(fold(first, second, first, second, completed(3, 's')), 'f')).toBe(3)
})

test('events of a session go to the flow that it started in', () => {
  const state = fold(
    started(1, 's', 'f'),
    started(2, 't', 'g'),
    completed(3, 's'),
    completed(4, 't'),
    completed(5, 's'),
  )
  expect([eventsOf(state, 'f'), eventsOf(state, 'g'), eventsOf(state, 'h')]).toEqual([3, 2, undefined])
  expect(state.source('other', 'f', 0)).toBeUndefined()
})

test('segments are those of the flow as last saved, and go when they are deleted', () => {
  const save = (position: number, rule: string, flowId = 'f') =>
    event(position, 'definition', 'segment:k', 'DefinitionSaved', {
      kind: 'segment',
      key: 'k',
      definition: { flowId, rule },
    })
  const state = fold(started(1, 's'), save(2, 'true'), save(3, 'false'))
  expect([...state.source('acme', 'f', 0)!.segments]).toEqual([['k', 'false']])
  state.apply(event(4, 'definition', 'segment:k', 'DefinitionDeleted', { kind: 'segment', key: 'k' }))
  expect(state.source('acme', 'f', 0)!.segments.size).toBe(0)
})

test('who watches a flow is told which sessions changed, and when units were put together anew', () => {
  const state = fold(started(1, 's'), started(2, 't', 'f', 'u'))
  const watcher = { sessions: new Set<number>(), regrouped: false }
  state.tenant('acme').flows.get('f')!.watchers.add(watcher)
  state.apply(completed(3, 't'))
  expect([[...watcher.sessions], watcher.regrouped]).toEqual([[1], false])
  state.apply(event(4, 'session', 's', 'AttributesRecorded', { attributes: {}, userId: 'u' }))
  expect([[...watcher.sessions], watcher.regrouped]).toEqual([[1, 0], true])
})
