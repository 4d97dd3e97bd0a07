import { expect, test } from 'vitest'
import { sessionDecider } from '../../src/domain/session.ts'
import type { SessionCommand } from '../../src/domain/sessionCommands.ts'
import type { SessionEvent } from '../../src/domain/sessionEvents.ts'
import { flowOf, T0 } from './support/session.ts'

const flow = flowOf([{ id: 'a' }, { id: 'b' }])
const evidence = [
  { measure: 'failedValidations' as const, value: 4, limit: 1, quantile: 0.99, comparedWith: 50 },
]
const found = (stepId: string): SessionCommand => ({
  type: 'RecordDifficulty',
  stepId,
  evidence,
  flow,
  at: T0,
})
const started = (imported?: true): SessionEvent => ({
  type: 'SessionStarted',
  data: { flowId: 'flow', flowVersion: 1, userId: 'u', context: {}, ...(imported && { imported }) },
})
const after = (...events: SessionEvent[]) => events.reduce(sessionDecider.evolve, sessionDecider.initial)
const detected = (stepId: string): SessionEvent => ({
  type: 'DifficultyDetected',
  data: { stepId, evidence },
})

test('difficulty is recorded once a step, and moves nothing else', () => {
  expect(sessionDecider.decide(found('a'), after(started()))).toEqual([detected('a')])
  const state = after(started(), detected('a'))
  expect(sessionDecider.decide(found('a'), state)).toEqual([])
  expect(sessionDecider.decide(found('b'), state)).toEqual([detected('b')])
  const { difficulties, ...rest } = state
  const { difficulties: before, ...untouched } = after(started())
  expect(rest).toEqual(untouched)
  expect([difficulties.has('a'), before.has('a')]).toEqual([true, false])
})

test('difficulty is not recorded where nobody can be helped any more', () => {
  expect(sessionDecider.decide(found('a'), after(started(true)))).toEqual([])
  expect(sessionDecider.decide(found('a'), after(started(), { type: 'SessionPaused', data: {} }))).toEqual([])
  const gone: SessionEvent = { type: 'SessionAbandoned', data: { reason: 'requested' } }
  expect(sessionDecider.decide(found('a'), after(started(), gone))).toEqual([])
})
