import { describe, expect, test } from 'vitest'
import {
  abandon,
  abandoned,
  at,
  begin,
  complete,
  completed,
  event,
  flowOf,
  hoursLater,
  imported,
  inFlow,
  milestone,
  pause,
  paused,
  resume,
  resumed,
  session,
  sessionCompleted,
  start,
  started,
  submit,
  T0,
} from './support/session.ts'

const done = [started, completed('company', { size: 3 }), completed('team'), sessionCompleted] as const

describe('starting', () => {
  test('records who, which version and when it should be done', () =>
    session()
      .when(start)
      .records(
        event('SessionStarted', {
          flowId: 'flow',
          flowVersion: 1,
          userId: 'ana',
          context: {},
          // 10 + 5 minutes as estimated, and 5 for the step nobody estimated.
          estimatedCompletion: '2026-03-02T09:20:00.000Z',
        }),
      ))

  test('again records nothing', () => session(started).when(start).recordsNothing())

  test('measured medians come before the estimates', () => {
    const { events } = session().when({ ...start, estimates: new Map([['company', 60]]) })
    expect(events[0]!.data).toMatchObject({ estimatedCompletion: '2026-03-02T09:11:00.000Z' })
  })

  test('a session that never began is unknown to every other command', () => {
    for (const command of [pause, complete, submit('company'), begin('nowhere')]) {
      session().when(command).isRefused('session_unknown', 404)
    }
  })
})

describe('pausing and resuming', () => {
  test('a pause says why', () =>
    session(started)
      .when({ type: 'PauseSession', reason: 'lunch' })
      .records(event('SessionPaused', { reason: 'lunch' })))
  test('pausing twice records one pause', () => session(started, paused).when(pause).recordsNothing())
  test('resuming estimates anew', () =>
    session(started, paused)
      .when({ ...resume, at: hoursLater(5) })
      .records(event('SessionResumed', { estimatedCompletion: '2026-03-02T14:20:00.000Z' })))
  test('resuming what goes on records nothing', () => session(started).when(resume).recordsNothing())
  test('what was resumed goes on', () =>
    session(started, paused, resumed)
      .when(begin('company'))
      .records(event('StepStarted', { stepId: 'company' })))
  test.each([begin('company'), submit('company', { size: 1 }), complete])(
    'nothing is done while it rests',
    (command) =>
      session(started, paused)
        .when(command)
        .isRefused('session_not_active', 409, { sessionStatus: 'paused' }),
  )
  test('an ended session neither rests nor goes on', () => {
    session(...done)
      .when(pause)
      .isRefused('session_not_active', 409)
    session(...done)
      .when(resume)
      .isRefused('session_not_active', 409)
    session(started, abandoned).when(resume).isRefused('session_not_active', 409)
  })
})

describe('completing', () => {
  test('waits for the required steps, and names them', () =>
    session(started)
      .when(complete)
      .isRefused('steps_remaining', 409, { steps: ['company', 'team'] }))

  test('does not wait for optional ones, and reaches the milestones that are left before it ends', () =>
    session(started, completed('company', { size: 3 }), completed('team'), milestone(25), milestone(50))
      .when(complete)
      .records(milestone(75), milestone(100), sessionCompleted))

  test('is 100 percent, with nothing left to do', () => {
    const { after } = session(started, completed('company', { size: 3 }), completed('team')).when(complete)
    expect(after.progress()).toMatchObject({
      percent: 100,
      currentStep: null,
      remainingSteps: [],
      estimatedCompletion: null,
    })
    expect(after.view()).toMatchObject({ status: 'completed', completedAt: T0 })
    expect(after.view()).not.toHaveProperty('estimatedCompletion')
  })

  test('again records nothing', () =>
    session(...done)
      .when(complete)
      .recordsNothing())
  test('is refused once given up', () =>
    session(started, abandoned).when(complete).isRefused('session_not_active', 409))
})

describe('giving up', () => {
  test('on request', () =>
    session(started)
      .when(abandon)
      .records(event('SessionAbandoned', { reason: 'requested' })))
  test('a resting session may be given up', () =>
    session(started, paused)
      .when(abandon)
      .records(event('SessionAbandoned', { reason: 'requested' })))
  test('again records nothing', () => session(started, abandoned).when(abandon).recordsNothing())
  test('is refused once completed', () =>
    session(...done)
      .when(abandon)
      .isRefused('session_not_active', 409))
  test('keeps the step it stopped at', () => {
    const view = session(started, completed('company', { size: 3 }), at(hoursLater(1), abandoned)).view()
    expect(view).toMatchObject({ status: 'abandoned', currentStep: 'team', abandonedAt: hoursLater(1) })
  })
})

describe('giving up by inactivity', () => {
  const idle = (hours: number) =>
    ({ type: 'AbandonSession', reason: 'inactivity', at: hoursLater(hours) }) as const
  const given = event('SessionAbandoned', { reason: 'inactivity' })

  test('after 72 hours unless the flow says otherwise', () => {
    session(started).when(idle(71.99)).recordsNothing()
    session(started).when(idle(72)).records(given)
    const patient = inFlow(flowOf([{ id: 'only' }], { abandonAfterHours: 100 }))
    patient.session(started).when(idle(99)).recordsNothing()
    patient.session(started).when(idle(100)).records(given)
  })
  test('never when something happened since', () =>
    session(started, at(hoursLater(70), completed('logo')))
      .when(idle(80))
      .recordsNothing())
  test('a failed submission is activity', () => {
    const failed = event('StepValidationFailed', { stepId: 'company', errors: [] })
    session(started, at(hoursLater(70), failed))
      .when(idle(80))
      .recordsNothing()
  })
  test('a migration is not', () => {
    const moved = event('SessionMigrated', { from: 1, to: 2, steps: {} })
    session(started, at(hoursLater(70), moved))
      .when(idle(80))
      .records(given)
  })
  test('never of a resting, an ended or an imported one', () => {
    session(started, paused).when(idle(800)).recordsNothing()
    session(...done)
      .when(idle(800))
      .recordsNothing()
    session(started, abandoned).when(idle(800)).recordsNothing()
    session(imported).when(idle(800)).recordsNothing()
  })
  test('does not count as activity itself', () => {
    const { after } = session(started).when(idle(80))
    expect(after.view()).toMatchObject({ lastActivityAt: T0, abandonedAt: hoursLater(80) })
  })
})
