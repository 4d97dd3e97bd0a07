import { describe, expect, test } from 'vitest'
import type { MigrateSession } from '../../src/domain/sessionCommands.ts'
import { migrationFaults, previewMigration } from '../../src/domain/sessionMigration.ts'
import {
  abandoned,
  completed,
  event,
  flowOf,
  inFlow,
  milestone,
  opened,
  paused,
  saved,
  skipped,
  started,
  T0,
} from './support/session.ts'

const number = { type: 'object', required: ['n'], properties: { n: { type: 'number' } } }
const one = flowOf([{ id: 'a', schema: number }, { id: 'b', required: false }, { id: 'c' }, { id: 'gone' }])
const two = flowOf(
  [
    { id: 'c' },
    { id: 'first', schema: { ...number, required: ['n', 'm'] } },
    { id: 'second', required: false },
    { id: 'fresh', visibleWhen: 'answers.first.n > 1' },
  ],
  {},
  2,
)
const steps = { a: 'first', b: 'second' }
const move = { type: 'MigrateSession', to: two, steps } as const
const moved = event('SessionMigrated', { from: 1, to: 2, steps })
const inOne = inFlow(one)
const command = { ...move, flow: one, at: T0 } satisfies MigrateSession

describe('a migration', () => {
  test('renames answers, drafts, skips and what was started', () => {
    const { after } = inOne
      .session(
        started,
        completed('a', { n: 2 }),
        skipped('b'),
        opened('c'),
        saved('c', { x: 1 }),
        milestone(25),
        milestone(50),
      )
      .when(move)
    expect(after.view()).toMatchObject({
      flowVersion: 2,
      completedSteps: ['first'],
      skippedSteps: ['second'],
      stepData: { first: { n: 2 }, c: { x: 1 } },
      currentStep: 'c',
      progress: 50,
    })
    expect(after.view().steps[0]).toMatchObject({ stepId: 'c', status: 'started', startedAt: T0 })
  })

  test('records the milestones and failures of the version it moves to', () => {
    inOne
      .session(started, completed('a', { n: 0 }), skipped('b'))
      .when(move)
      .records(moved, milestone(25), milestone(50))
    const failing = flowOf([{ id: 'a', visibleWhen: 'context.x.y' }], {}, 2)
    inOne
      .session(started)
      .when({ type: 'MigrateSession', to: failing, steps: {} })
      .records(
        event('SessionMigrated', { from: 1, to: 2, steps: {} }),
        event('ConditionFailed', { stepId: 'a', message: 'field not found: x' }),
      )
  })

  test('moves a resting session, and none that ended', () => {
    inOne.session(started, paused).when(move).records(moved)
    inOne.session(started, abandoned).when(move).recordsNothing()
    inOne.session(started, event('SessionCompleted', {})).when(move).recordsNothing()
  })

  test('again records nothing', () => {
    inOne.session(started, moved).when(move).recordsNothing()
    inOne.session(started).when({ type: 'MigrateSession', to: one, steps: {} }).recordsNothing()
  })

  test('lets two steps swap their names', () => {
    const swapped = { ...move, to: flowOf([{ id: 'a' }, { id: 'b' }], {}, 2), steps: { a: 'b', b: 'a' } }
    const { after } = inOne.session(started, completed('a', 1), completed('b', 2)).when(swapped)
    expect(after.view().stepData).toEqual({ a: 2, b: 1 })
  })

  test('leaves out what the new version has no place for', () => {
    const { after } = inOne.session(started, completed('gone', 1)).when(move)
    expect(after.view()).toMatchObject({ completedSteps: [], stepData: {} })
  })
})

describe('a mapping', () => {
  test('names steps of both versions', () => {
    expect(migrationFaults(one, two, { a: 'first', x: 'second', 'p/q~': 'nowhere' })).toEqual([
      { pointer: '/steps/x', detail: 'Version 1 has no step x.' },
      { pointer: '/steps/p~1q~0', detail: 'Version 1 has no step p/q~.' },
      { pointer: '/steps/p~1q~0', detail: 'Version 2 has no step nowhere.' },
    ])
  })
  test('makes no two steps one', () => {
    expect(migrationFaults(one, two, { a: 'second', b: 'second' })).toEqual([
      { pointer: '/steps/b', detail: 'The steps a and b would both become second.' },
    ])
    expect(migrationFaults(one, two, { a: 'c' })).toEqual([
      { pointer: '/steps/a', detail: 'The steps c and a would both become c.' },
    ])
    expect(migrationFaults(one, two, { a: 'c', c: 'first' })).toEqual([])
  })
  test('may be empty', () => expect(migrationFaults(one, two, {})).toEqual([]))
})

describe('a dry run', () => {
  test('says what would happen, as it does', () => {
    const session = inOne.session(started, completed('a', { n: 2 }), completed('gone', 1))
    const preview = previewMigration(command, session.state)
    expect(preview).toEqual({
      outcome: 'moved',
      progress: { before: 50, after: 25 },
      currentStep: { before: 'b', after: 'c' },
      left: ['gone'],
      invalid: ['first'],
    })
    expect(session.when(move).after.progress()).toMatchObject({
      percent: preview.progress.after,
      currentStep: preview.currentStep.after,
    })
  })
  test('says why a session stays', () => {
    expect(previewMigration(command, inOne.session(started, abandoned).state)).toMatchObject({
      outcome: 'not_in_flight',
      progress: { before: 0, after: 0 },
    })
    expect(previewMigration(command, inOne.session(started, moved).state).outcome).toBe('other_version')
  })
})
