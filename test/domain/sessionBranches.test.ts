import { describe, expect, test } from 'vitest'
import {
  begin,
  complete,
  completed,
  event,
  flowOf,
  inFlow,
  milestone,
  opened,
  pause,
  reopen,
  reopened,
  save,
  skip,
  started,
  startedWith,
  submit,
} from './support/session.ts'

const branching = inFlow(
  flowOf([
    { id: 'size' },
    { id: 'procurement', visibleWhen: 'answers.size.people > 50' },
    { id: 'contract', dependsOn: ['procurement'] },
    { id: 'sandbox', visibleWhen: '!(answers.size.people > 50)', required: false },
  ]),
)
const small = completed('size', { people: 3 })
const large = completed('size', { people: 300 })

describe('a branch', () => {
  test('is hidden while it is undecided, and nothing is recorded of that', () => {
    const { events } = branching.session().when({ type: 'StartSession', userId: 'ana', context: {} })
    expect(events.map(({ type }) => type)).toEqual(['SessionStarted'])
    const view = branching.session(started).view()
    expect(view.steps.map(({ stepId, status }) => [stepId, status])).toEqual([
      ['size', 'available'],
      ['procurement', 'hidden'],
      ['contract', 'available'],
      ['sandbox', 'hidden'],
    ])
    expect(view).not.toHaveProperty('conditionErrors')
  })

  test('decides on answers, and hidden steps neither count nor are waited for', () => {
    expect(branching.session(started, small).progress()).toMatchObject({
      percent: 33,
      remainingSteps: ['contract', 'sandbox'],
    })
    branching.session(started, small).when(begin('contract')).records(opened('contract'))
    branching
      .session(started, large)
      .when(begin('contract'))
      .isRefused('dependencies_unmet', 409, {
        dependencies: ['procurement'],
      })
    branching
      .session(started, small, completed('contract'), milestone(25), milestone(50))
      .when(complete)
      .records(milestone(75), milestone(100), event('SessionCompleted', {}))
  })

  test.each([begin, submit, skip, reopen, (id: string) => save(id, {})])(
    'nothing is done at a hidden step',
    (action) => branching.session(started, small).when(action('procurement')).isRefused('step_hidden', 409),
  )

  test('that hides a step leaves its answer out, and brings it back', () => {
    const answered = [started, large, completed('procurement', { po: 7 })] as const
    expect(branching.session(...answered).view().stepData).toEqual({
      size: { people: 300 },
      procurement: { po: 7 },
    })
    const hidden = branching.session(...answered, small).view()
    expect(hidden).toMatchObject({
      stepData: { size: { people: 3 } },
      completedSteps: ['size'],
      progress: 33,
    })
    expect(hidden.stepData).not.toHaveProperty('procurement')
    expect(branching.session(...answered, small, large).view().stepData).toHaveProperty('procurement')
  })

  test('progress may fall when a branch opens, and the milestones stay', () => {
    const { after } = branching
      .session(started, small, completed('contract'), milestone(25), milestone(50))
      .when(submit('size', { people: 80 }))
    expect(after.view()).toMatchObject({ progress: 66, milestones: [25, 50] })
  })

  test('that closes may reach a milestone', () =>
    branching
      .session(started, large, milestone(25), completed('contract'), milestone(50))
      .when(submit('size', { people: 3 }))
      .records(small))

  test('reads no draft and no answer that was reopened', () => {
    expect(
      branching.session(started, event('StepSaved', { stepId: 'size', data: { people: 99 } })).progress(),
    ).toMatchObject({ remainingSteps: ['size', 'contract'] })
    expect(branching.session(started, large, reopened('size')).progress()).toMatchObject({
      remainingSteps: ['size', 'contract'],
    })
  })

  test('on the answer of a hidden step is undecided', () => {
    const chain = inFlow(
      flowOf([
        { id: 'a', visibleWhen: 'context.deep' },
        { id: 'b', visibleWhen: 'answers.a.go' },
        { id: 'c', visibleWhen: 'has(answers.a) && answers.a.go' },
      ]),
    )
    const shown = (context: object) =>
      chain
        .session(startedWith({ ...context }), completed('a', { go: true }))
        .view()
        .steps.filter(({ status }) => status !== 'hidden')
        .map(({ stepId }) => stepId)
    expect(shown({ deep: false })).toEqual([])
    expect(shown({ deep: true })).toEqual(['a', 'b', 'c'])
  })

  test('on the context follows what becomes known', () => {
    const flow = inFlow(flowOf([{ id: 'a' }, { id: 'vat', visibleWhen: 'context.country == "FR"' }]))
    const abroad = flow.session(startedWith({ country: 'US' }))
    expect(abroad.progress().remainingSteps).toEqual(['a'])
    const { after } = abroad.when({ type: 'RecordAttributes', attributes: { country: 'FR' } })
    expect(after.progress().remainingSteps).toEqual(['a', 'vat'])
  })

  test('sees the session', () => {
    const flow = inFlow(
      flowOf([
        {
          id: 'a',
          visibleWhen:
            'session.userId == "ana" && session.flowId == "flow" && session.flowVersion == 1 && session.status == "active" && timestamp(session.startedAt) > timestamp("2020-01-01T00:00:00Z")',
        },
      ]),
    )
    expect(flow.session(started).progress().remainingSteps).toEqual(['a'])
  })

  test('sees the profile, empty until there are profiles', () => {
    const flow = inFlow(flowOf([{ id: 'a', visibleWhen: 'has(profile.name)' }]))
    expect(flow.session(started).progress().remainingSteps).toEqual([])
    flow
      .session(started)
      .when({ ...begin('a'), profile: { name: 'Ana' } })
      .records(opened('a'))
  })
})

describe('a condition that fails', () => {
  const failing = inFlow(
    flowOf([
      { id: 'size' },
      { id: 'extra', visibleWhen: 'answers.size.people > 50' },
      { id: 'other', visibleWhen: 'context.plan.name == "pro"' },
    ]),
  )
  const failed = (stepId: string, message: string) => event('ConditionFailed', { stepId, message })
  const ofOther = failed('other', 'field not found: plan')

  test('leaves its step visible and is recorded with what brought it about', () => {
    const { events, after } = failing.session().when({ type: 'StartSession', userId: 'ana', context: {} })
    expect(events[1]).toEqual(ofOther)
    expect(after.view()).toMatchObject({
      conditionErrors: [{ stepId: 'other', message: 'field not found: plan' }],
    })
    expect(after.progress().remainingSteps).toEqual(['size', 'other'])
  })

  const foundOut = [completed('size', {}), failed('extra', 'field not found: people'), milestone(25)] as const

  test('is recorded once', () => {
    failing
      .session(started, ofOther)
      .when(submit('size', {}))
      .records(...foundOut)
    failing
      .session(started, ofOther, ...foundOut)
      .when(submit('size', {}))
      .records(completed('size', {}))
  })

  test('in another way is recorded too', () =>
    failing
      .session(started, ofOther, ...foundOut)
      .when(submit('size', { people: 'many' }))
      .records(
        completed('size', { people: 'many' }),
        failed('extra', "found no matching overload for '_>_' applied to '(string, int)'"),
      ))

  test('is listed no longer once it is mended', () => {
    const { after } = failing
      .session(started, ofOther)
      .when({ type: 'RecordAttributes', attributes: { plan: { name: 'pro' } } })
    expect(after.view()).not.toHaveProperty('conditionErrors')
  })

  test('is not looked for by what changes nothing', () =>
    failing.session(started).when(pause).records(event('SessionPaused', {})))

  test.each([
    ['1 / 0 == 1', 'int divide by zero'],
    ['context.plan', 'does not result in a boolean'],
    ['int(context.plan) > 2', 'Cannot convert gold to a BigInt'],
    ['context.list.all(x, context.list.all(y, true))', 'takes too much work on this data'],
  ])('%s: %s', (visibleWhen, message) => {
    const context = { plan: 'gold', list: Array.from({ length: 1000 }, () => 0) }
    const view = inFlow(flowOf([{ id: 'a', visibleWhen }]))
      .session(startedWith(context))
      .view()
    expect(view).toMatchObject({ conditionErrors: [{ stepId: 'a', message }], currentStep: 'a' })
  })
})

test('a flow of which nothing is visible stands at 0 and can be completed', () => {
  const nothing = inFlow(flowOf([{ id: 'a', visibleWhen: 'false' }]))
  expect(nothing.session(started).progress()).toMatchObject({ percent: 0, currentStep: null })
  expect(nothing.session(started).when(complete).after.progress().percent).toBe(100)
})
