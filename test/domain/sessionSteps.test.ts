import { describe, expect, test } from 'vitest'
import {
  at,
  begin,
  completed,
  event,
  flowOf,
  hoursLater,
  inFlow,
  milestone,
  opened,
  reopen,
  reopened,
  save,
  saved,
  session,
  skip,
  skipped,
  started,
  submit,
  T0,
} from './support/session.ts'

describe('starting a step', () => {
  test('is recorded', () => session(started).when(begin('company')).records(opened('company')))
  test('twice is recorded once', () =>
    session(started, opened('company')).when(begin('company')).recordsNothing())
  test('a step that is met is not opened again', () => {
    session(started, completed('company')).when(begin('company')).recordsNothing()
    session(started, skipped('logo')).when(begin('logo')).recordsNothing()
  })
  test('one that waits is refused, naming what for', () =>
    session(started)
      .when(begin('team'))
      .isRefused('dependencies_unmet', 409, { dependencies: ['company'] }))
  test('one the flow does not have is unknown', () =>
    session(started).when(begin('nowhere')).isRefused('step_unknown', 404))
  test.each(['__proto__', 'constructor', 'toString'])('%s is as unknown as any', (stepId) =>
    session(started).when(submit(stepId)).isRefused('step_unknown', 404),
  )
})

describe('saving', () => {
  test('keeps a draft, valid or not', () =>
    session(started)
      .when(save('company', { size: 'many' }))
      .records(saved('company', { size: 'many' })))
  test('the same again records nothing, whatever the order of members', () =>
    session(started, saved('company', { a: 1, b: [2] }))
      .when(save('company', { b: [2], a: 1 }))
      .recordsNothing())
  test('another draft replaces it', () =>
    session(started, saved('company', { a: 1 }))
      .when(save('company', { a: 2 }))
      .records(saved('company', { a: 2 })))
  test('without data is an empty object', () =>
    session(started).when(save('company', undefined)).records(saved('company', {})))
  test('is refused where the step waits', () =>
    session(started).when(save('team', {})).isRefused('dependencies_unmet', 409))
  test('shows in the data until it is submitted', () => {
    const view = session(started, saved('company', { size: 2 })).view()
    expect(view).toMatchObject({ stepData: { company: { size: 2 } }, drafts: { company: { size: 2 } } })
    expect(view.completedSteps).toEqual([])
    const answered = session(started, saved('company', { size: 2 }), completed('company', { size: 3 })).view()
    expect(answered).toMatchObject({ stepData: { company: { size: 3 } }, drafts: {} })
  })
  test('beside an answer leaves the answer', () => {
    const view = session(started, completed('company', { size: 3 }), saved('company', { size: 4 })).view()
    expect(view).toMatchObject({ stepData: { company: { size: 3 } }, drafts: { company: { size: 4 } } })
  })
})

describe('submitting', () => {
  test('completes the step, says when all will be done and which milestones that reaches', () =>
    session(started)
      .when(submit('company', { size: 3 }))
      .records(
        event('StepCompleted', {
          stepId: 'company',
          data: { size: 3 },
          estimatedCompletion: '2026-03-02T09:10:00.000Z',
        }),
        milestone(25),
      ))
  test('may reach several milestones at once, each once', () => {
    const one = inFlow(flowOf([{ id: 'only' }], { milestones: [75, 10, 10, 30] }))
    one
      .session(started)
      .when(submit('only'))
      .records(completed('only'), milestone(10), milestone(30), milestone(75))
    one
      .session(started, completed('only'), milestone(10))
      .when(submit('only'))
      .records(completed('only'), milestone(30), milestone(75))
  })
  test('again replaces the answer and is recorded again', () => {
    const { after } = session(started, completed('company', { size: 3 }), milestone(25)).when(
      submit('company', { size: 3 }),
    )
    session(started, completed('company', { size: 3 }), milestone(25))
      .when(submit('company', { size: 3 }))
      .records(completed('company', { size: 3 }))
    expect(after.view().completedSteps).toEqual(['company'])
  })
  test('a skipped step completes it', () => {
    const { after } = session(started, skipped('logo')).when(submit('logo', { url: 'x' }))
    expect(after.view()).toMatchObject({ completedSteps: ['logo'], skippedSteps: [] })
  })
  test('without data submits an empty object', () =>
    session(started).when(submit('logo', undefined)).records(completed('logo', {}), milestone(25)))
  test('null is data', () => {
    const { after } = session(started).when(submit('logo', null))
    expect(after.view().stepData).toEqual({ logo: null })
  })
  test('what does not fit its schema is refused with pointers, and recorded', () =>
    session(started)
      .when(submit('company', { size: 0, name: 7 }))
      .isRefusedAndRecorded(
        'validation_failed',
        422,
        event('StepValidationFailed', {
          stepId: 'company',
          errors: [
            { pointer: '/data/size', detail: 'must be >= 1' },
            { pointer: '/data/name', detail: 'must be string' },
          ],
        }),
      ))
  test('what the state forbids is refused before the data is looked at', () =>
    session(started).when(submit('team', 'nonsense')).isRefused('dependencies_unmet', 409))
  test('is by whom it was, when it was', () => {
    const view = session(started, at(hoursLater(1), completed('company', { size: 1 }), 'ben')).view()
    expect(view.steps[0]).toMatchObject({ status: 'completed', metAt: hoursLater(1), metBy: 'ben' })
  })
})

describe('skipping', () => {
  test('counts as met', () => {
    const { after } = session(started).when({ type: 'SkipStep', stepId: 'logo', reason: 'later' })
    expect(after.view()).toMatchObject({ skippedSteps: ['logo'], completedSteps: [], progress: 33 })
  })
  test('says why, where it is said', () =>
    session(started)
      .when({ type: 'SkipStep', stepId: 'logo', reason: 'later' })
      .records(event('StepSkipped', { stepId: 'logo', reason: 'later' }), milestone(25)))
  test('twice is recorded once, and a completed step stays completed', () => {
    session(started, skipped('logo')).when(skip('logo')).recordsNothing()
    session(started, completed('logo')).when(skip('logo')).recordsNothing()
  })
  test('a required step is refused, also while it waits', () => {
    session(started).when(skip('company')).isRefused('step_required', 409)
    session(started).when(skip('team')).isRefused('step_required', 409)
  })
  test('a required step may be skippable, and lets its dependants go on', () => {
    const flow = inFlow(
      flowOf([
        { id: 'a', skippable: true },
        { id: 'b', dependsOn: ['a'] },
      ]),
    )
    flow.session(started).when(skip('a')).records(skipped('a'), milestone(25), milestone(50))
    flow.session(started, skipped('a')).when(begin('b')).records(opened('b'))
  })
  test('an optional step may forbid it', () =>
    inFlow(flowOf([{ id: 'a', required: false, skippable: false }]))
      .session(started)
      .when(skip('a'))
      .isRefused('step_required', 409))
  test('waits like everything else', () =>
    inFlow(flowOf([{ id: 'a' }, { id: 'b', required: false, dependsOn: ['a'] }]))
      .session(started)
      .when(skip('b'))
      .isRefused('dependencies_unmet', 409, { dependencies: ['a'] }))
  test('keeps the draft', () => {
    expect(session(started, saved('logo', { url: 'x' }), skipped('logo')).view().drafts).toEqual({
      logo: { url: 'x' },
    })
  })
})

describe('reopening', () => {
  test('makes the answer a draft and takes no milestone back', () => {
    const { after } = session(started, completed('company', { size: 3 }), milestone(25)).when(
      reopen('company'),
    )
    expect(after.view()).toMatchObject({
      completedSteps: [],
      drafts: { company: { size: 3 } },
      progress: 0,
      milestones: [25],
      currentStep: 'company',
    })
  })
  test('is estimated anew', () =>
    session(started, completed('company', { size: 3 }))
      .when(reopen('company'))
      .records(event('StepReopened', { stepId: 'company', estimatedCompletion: '2026-03-02T09:20:00.000Z' })))
  test('a skipped step is open again', () => {
    const { after } = session(started, skipped('logo')).when(reopen('logo'))
    expect(after.view().skippedSteps).toEqual([])
  })
  test('what is open already records nothing', () => {
    session(started).when(reopen('company')).recordsNothing()
    session(started, completed('company'), reopened('company')).when(reopen('company')).recordsNothing()
  })
  test('a reopened step may be started again, and its dependants wait again', () => {
    const again = session(started, opened('company'), completed('company', { size: 3 }), reopened('company'))
    again.when(begin('company')).records(opened('company'))
    again.when(begin('team')).isRefused('dependencies_unmet', 409)
  })
  test('a milestone reached again is not recorded again', () =>
    session(started, completed('company', { size: 3 }), milestone(25), reopened('company'))
      .when(submit('company', { size: 4 }))
      .records(completed('company', { size: 4 })))
})

describe('other things that happen', () => {
  test('a signal is recorded every time, also after the end', () => {
    const track = { type: 'TrackSignal', signal: 'retention_7', value: 0, properties: { day: 7 } } as const
    const tracked = event('SignalTracked', { signal: 'retention_7', value: 0, properties: { day: 7 } })
    session(started, tracked).when(track).records(tracked)
    session(started, event('SessionCompleted', {}))
      .when({ type: 'TrackSignal', signal: 'back' })
      .records(event('SignalTracked', { signal: 'back' }))
  })
  test('attributes are merged into the context; what is known already records nothing', () => {
    const known = session(started, event('AttributesRecorded', { attributes: { plan: 'pro', tags: ['a'] } }))
    known.when({ type: 'RecordAttributes', attributes: { tags: ['a'] }, userId: 'ana' }).recordsNothing()
    known
      .when({ type: 'RecordAttributes', attributes: { plan: 'free' }, userId: 'ben' })
      .records(event('AttributesRecorded', { attributes: { plan: 'free' }, userId: 'ben' }))
    expect(
      known.when({ type: 'RecordAttributes', attributes: {}, userId: 'ben' }).after.view(),
    ).toMatchObject({
      userId: 'ben',
      context: { plan: 'pro', tags: ['a'] },
    })
  })
  test('an attribute named __proto__ is one like any other', () => {
    const attributes = JSON.parse('{"__proto__":{"admin":true}}')
    const { after } = session(started).when({ type: 'RecordAttributes', attributes })
    expect(JSON.stringify(after.view().context)).toBe('{"__proto__":{"admin":true}}')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
  test('an attribute is not known because objects have one of that name', () => {
    const attributes = JSON.parse('{"__proto__":{}}')
    session(started)
      .when({ type: 'RecordAttributes', attributes })
      .records(event('AttributesRecorded', { attributes }))
  })
  test('a variant is exposed once', () => {
    const expose = { type: 'RecordExposure', experiment: 'e', variant: 'b' } as const
    const exposed = event('ExposureRecorded', { experiment: 'e', variant: 'b' })
    session(started).when(expose).records(exposed)
    session(started, exposed).when(expose).recordsNothing()
    session(started, exposed)
      .when({ ...expose, variant: 'a' })
      .records(event('ExposureRecorded', { experiment: 'e', variant: 'a' }))
  })
})

describe('due times and people', () => {
  const flow = inFlow(
    flowOf([
      { id: 'contract', assignee: 'member', dueInHours: 24 },
      { id: 'kickoff', dependsOn: ['contract'], dueInHours: 48 },
      { id: 'extra', visibleWhen: 'answers.contract.extra', dueInHours: 2 },
    ]),
  )
  const signed = at(hoursLater(10), completed('contract', { extra: true }))

  test('a step is due from when it became available', () => {
    expect(flow.session(started).view().steps).toEqual([
      { stepId: 'contract', status: 'available', required: true, assignee: 'member', dueAt: hoursLater(24) },
      { stepId: 'kickoff', status: 'locked', required: true, waitsFor: ['contract'] },
      { stepId: 'extra', status: 'hidden', required: true },
    ])
    const later = flow.session(started, signed).view().steps
    expect(later[1]).toMatchObject({ status: 'available', dueAt: hoursLater(58) })
    expect(later[2]).toMatchObject({ status: 'available', dueAt: hoursLater(12) })
  })
  test('replacing the answer does not move it', () => {
    const again = at(hoursLater(20), completed('contract', { extra: true }))
    expect(flow.session(started, signed, again).view().steps[1]).toMatchObject({ dueAt: hoursLater(58) })
  })
  test('asked at a time, it says what is overdue', () => {
    const late = flow.session(started, signed).view(hoursLater(13)).steps
    expect(late.map(({ overdue }) => overdue)).toEqual([false, false, true])
    const done = flow.session(started, signed).view(hoursLater(30)).steps
    expect(done[0]).toMatchObject({ status: 'completed', dueAt: hoursLater(24), overdue: false })
  })
  test('a step is started by opening it or by a draft', () => {
    expect(flow.session(started, at(T0, opened('contract'))).view().steps[0]).toMatchObject({
      status: 'started',
      startedAt: T0,
    })
    expect(flow.session(started, saved('contract', 1)).view().steps[0]).toMatchObject({ status: 'started' })
  })
  test('a due time past the year 9999 is the end of it', () => {
    const far = inFlow(flowOf([{ id: 'a', dueInHours: 80_000 }]))
    const view = far.session(at('9999-06-01T00:00:00.000Z', started)).view()
    expect(view.steps[0]).toMatchObject({ dueAt: '9999-12-31T23:59:59.999Z' })
  })
})
