import { describe, expect, test } from 'vitest'
import type { SessionEvent } from '../../src/domain/sessionEvents.ts'
import {
  abandoned,
  at,
  completed,
  event,
  flowOf,
  fold,
  hoursLater,
  imported,
  inFlow,
  opened,
  paused,
  reopened,
  resumed,
  session,
  sessionCompleted,
  skipped,
  started,
  T0,
} from './support/session.ts'

describe('history from elsewhere', () => {
  test('may name steps the flow does not have; they are shown as they came and count for nothing', () => {
    const view = session(imported, completed('Zeta', 1), completed('Alpha', 2), completed('logo', 3)).view()
    expect(view).toMatchObject({
      completedSteps: ['logo', 'Zeta', 'Alpha'],
      stepData: { logo: 3, Zeta: 1, Alpha: 2 },
      progress: 33,
      imported: true,
      userId: null,
    })
  })

  test('may repeat steps and go on after the end', () => {
    const view = session(imported, completed('logo', 1), sessionCompleted, completed('logo', 2)).view()
    expect(view).toMatchObject({ status: 'completed', progress: 100, stepData: { logo: 2 } })
  })

  test('may come in any order: it began with the earliest and was last active at the latest', () => {
    const view = session(
      at(hoursLater(5), imported),
      at(hoursLater(9), completed('company')),
      at(hoursLater(1), completed('logo')),
    ).view()
    expect(view).toMatchObject({ startedAt: hoursLater(1), lastActivityAt: hoursLater(9) })
  })

  test('a clock that runs late does not move the beginning of a live session', () => {
    const view = session(at(hoursLater(5), started), at(T0, completed('logo'))).view()
    expect(view).toMatchObject({ startedAt: hoursLater(5), lastActivityAt: hoursLater(5) })
  })

  test('steps of any name are kept apart from what objects have', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    const view = session(imported, ...names.map((name) => completed(name, name))).view()
    expect(view.completedSteps).toEqual(names)
    expect(Object.keys(view.stepData)).toEqual(names)
    expect(Object.getPrototypeOf(view.stepData)).toBe(Object.prototype)
  })

  test('of a live session leaves out what its version does not have', () => {
    expect(session(started, completed('gone', 1)).view()).toMatchObject({ completedSteps: [], stepData: {} })
  })

  test('every kind of event folds, in any order, onto anything', () => {
    const all: SessionEvent[] = [
      opened('x'),
      event('StepSaved', { stepId: 'x', data: 1 }),
      completed('x'),
      event('StepValidationFailed', { stepId: 'x', errors: [] }),
      skipped('x'),
      reopened('x'),
      event('MilestoneReached', { milestone: 25 }),
      event('MilestoneReached', { milestone: 25 }),
      paused,
      resumed,
      sessionCompleted,
      abandoned,
      event('ConditionFailed', { stepId: 'x', message: 'm' }),
      event('SignalTracked', { signal: 's' }),
      event('AttributesRecorded', { attributes: {} }),
      event('ExposureRecorded', { experiment: 'e', variant: 'v' }),
      event('SessionMigrated', { from: 1, to: 2, steps: { x: 'y' } }),
    ]
    for (const first of all) for (const second of all) expect(() => fold([first, second])).not.toThrow()
    expect(fold([...all, started]).milestones).toEqual([25])
  })

  test('without metadata happened when the session was last active', () => {
    const state = fold([at(T0, started)])
    expect(session(at(T0, started)).when({ type: 'PauseSession' }).after.view().lastActivityAt).toBe(
      state.lastActivityAt,
    )
  })

  test('ten thousand different steps fold in no time', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => completed(`step ${n}`, n))
    const begun = performance.now()
    const view = session(imported, ...many).view()
    expect(view.completedSteps).toHaveLength(10_000)
    expect(view.completedSteps[9_999]).toBe('step 9999')
    expect(performance.now() - begun).toBeLessThan(8000)
  })
})

test('steps are listed in the order in which they are looked at, however they were done', () => {
  const flow = inFlow(flowOf([{ id: 'b', dependsOn: ['c'] }, { id: 'a' }, { id: 'c' }]))
  const view = flow.session(started, completed('c'), completed('b'), completed('a')).view()
  expect(view.completedSteps).toEqual(['a', 'c', 'b'])
})
