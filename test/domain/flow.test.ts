import { describe, expect, test } from 'vitest'
import { audienceMatches, compileFlow, flowDecider, planFlow } from '../../src/domain/flow.ts'
import type { FlowDefinition, StepDefinition } from '../../src/domain/flowDefinition.ts'
import { flowOf, inFlow, started, startedWith } from './support/session.ts'

const step = (id: string, more: Partial<StepDefinition> = {}): StepDefinition => ({
  id,
  title: id,
  kind: 'form',
  ...more,
})
const definition = (...steps: StepDefinition[]): FlowDefinition => ({ id: 'flow', title: 'Flow', steps })
const faultsOf = (flow: FlowDefinition) => {
  const compiled = compileFlow(flow, 1)
  return 'faults' in compiled ? compiled.faults : []
}

describe('publishing', () => {
  const publish = (flow: FlowDefinition, version = 0) =>
    flowDecider.decide({ type: 'PublishFlow', definition: flow }, { version })

  test('counts versions from 1', () => {
    const flow = definition(step('a'))
    const [first] = publish(flow) as never as [Parameters<typeof flowDecider.evolve>[1]]
    expect(first).toEqual({ type: 'FlowPublished', data: { flowId: 'flow', version: 1, definition: flow } })
    expect(flowDecider.evolve(flowDecider.initial, first)).toEqual({ version: 1 })
  })
  test('the same again is a new version', () =>
    expect(publish(definition(step('a')), 7)).toMatchObject([{ data: { version: 8 } }]))
  test('what has faults is refused with all of them', () =>
    expect(publish(definition(step('a'), step('a', { dependsOn: ['b'] })))).toMatchObject({
      refused: 'flow_invalid',
      status: 422,
      errors: [{ pointer: '/steps/1/id' }, { pointer: '/steps/1/dependsOn/0' }],
    }))
})

describe('faults', () => {
  test('are found all at once, each with its pointer', () => {
    const flow = {
      ...definition(
        step('a', { dependsOn: ['c', 'nowhere'] }),
        step('b', { dependsOn: ['a'] }),
        step('c', { dependsOn: ['b', 'c'] }),
        step('a'),
        step('d', { visibleWhen: 'answers.e.x && plan' }),
        step('e', { schema: { minLength: -1 }, visibleWhen: '1 +' }),
      ),
      audience: 'answers.a.x',
    }
    const found = new Map(faultsOf(flow).map(({ pointer, detail }) => [pointer, detail]))
    expect(found).toEqual(
      new Map([
        ['/audience', 'reads a, which comes no earlier'],
        ['/steps/3/id', 'The id a is taken by step 0 already.'],
        ['/steps/0/dependsOn/0', 'The steps depend on each other: a → c → b → a.'],
        ['/steps/0/dependsOn/1', 'There is no step nowhere.'],
        ['/steps/2/dependsOn/1', 'The steps depend on each other: c → c.'],
        ['/steps/4/visibleWhen', 'unknown variable plan'],
        ['/steps/5/visibleWhen', 'does not parse: found + at column 3'],
        ['/steps/5/schema/minLength', 'must be >= 0'],
      ]),
    )
  })

  test('name the circle, at each step of it', () =>
    expect(
      faultsOf(
        definition(
          step('a', { dependsOn: ['b'] }),
          step('b', { dependsOn: ['c'] }),
          step('c', { dependsOn: ['a'] }),
        ),
      ),
    ).toEqual([
      { pointer: '/steps/0/dependsOn/0', detail: 'The steps depend on each other: a → b → c → a.' },
      { pointer: '/steps/1/dependsOn/0', detail: 'The steps depend on each other: b → c → a → b.' },
      { pointer: '/steps/2/dependsOn/0', detail: 'The steps depend on each other: c → a → b → c.' },
    ]))

  test('of a long circle stay readable', () => {
    const ring = Array.from({ length: 30 }, (_, n) => step(`s${n}`, { dependsOn: [`s${(n + 1) % 30}`] }))
    expect(faultsOf(definition(...ring))[0]!.detail).toBe(
      'The steps depend on each other: s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → s8 → … → s0.',
    )
  })

  test('of two hundred steps that all depend on each other are found soon, and not told without end', () => {
    const ids = Array.from({ length: 200 }, (_, n) => `s${n}`)
    const begun = performance.now()
    expect(faultsOf(definition(...ids.map((id) => step(id, { dependsOn: ids }))))).toHaveLength(200)
    expect(performance.now() - begun).toBeLessThan(8000)
  })

  test('there are none in depending on the same twice, or in names that objects have', () =>
    expect(
      faultsOf(
        definition(
          step('constructor'),
          step('toString', {
            dependsOn: ['constructor', 'constructor'],
            visibleWhen: 'has(answers.constructor.x)',
          }),
        ),
      ),
    ).toEqual([]))
})

describe('the order of looking', () => {
  const order = (...steps: StepDefinition[]) => planFlow(definition(...steps), 1).steps.map(({ id }) => id)

  test('is as listed, after what is depended on', () =>
    expect(
      order(step('a', { dependsOn: ['c'] }), step('b'), step('c'), step('d', { dependsOn: ['b'] })),
    ).toEqual(['b', 'c', 'a', 'd']))
  test('lets a condition read what is listed later but looked at earlier', () => {
    const reader = step('a', { dependsOn: ['b'], visibleWhen: 'answers.b.ok' })
    expect(faultsOf(definition(reader, step('b')))).toEqual([])
    expect(faultsOf(definition({ ...reader, dependsOn: [] }, step('b')))).toEqual([
      { pointer: '/steps/0/visibleWhen', detail: 'reads b, which comes no earlier' },
    ])
  })
  test('whatever came before, later is later', () =>
    expect(faultsOf(definition(step('a'), step('b', { visibleWhen: 'answers.c.ok' }), step('c')))).toEqual([
      { pointer: '/steps/1/visibleWhen', detail: 'reads c, which comes no earlier' },
    ]))
  test('a step cannot read its own answer', () =>
    expect(faultsOf(definition(step('a', { visibleWhen: 'has(answers.a)' })))).toHaveLength(1))
})

describe('a compiled flow', () => {
  test('has what the definition leaves out', () => {
    const flow = flowOf([{ id: 'a' }, { id: 'b', required: false }, { id: 'c', skippable: true }])
    expect(flow).toMatchObject({ milestones: [25, 50, 75, 100], abandonAfterHours: 72, audience: undefined })
    expect(flow.steps.map(({ required, skippable }) => [required, skippable])).toEqual([
      [true, false],
      [false, true],
      [true, true],
    ])
    expect(flow.stepById.get('b')?.index).toBe(1)
  })
  test('takes milestones in order, each once', () =>
    expect(flowOf([{ id: 'a' }], { milestones: [90, 10, 90] }).milestones).toEqual([10, 90]))
  test('that was published under older rules goes on: its bad condition fails and its step is visible', () => {
    const flow = planFlow(
      definition(step('a', { visibleWhen: 'plan ==' }), step('b', { dependsOn: ['gone'] })),
      3,
    )
    expect(inFlow(flow).session(started).view()).toMatchObject({
      conditionErrors: [{ stepId: 'a', message: 'does not parse: found = at column 6' }],
      currentStep: 'a',
    })
  })
  test('that was published with a circle still lists every step', () => {
    const flow = planFlow(
      definition(step('a', { dependsOn: ['b'] }), step('b', { dependsOn: ['a'] }), step('c')),
      1,
    )
    expect(flow.steps.map(({ id }) => id)).toEqual(['c', 'a', 'b'])
  })
})

describe('an audience', () => {
  const merchants = flowOf([{ id: 'a' }], { audience: 'context.kind == "merchant" && !has(profile.banned)' })
  test('fits those whose context it holds for', () => {
    expect(audienceMatches(merchants, { context: { kind: 'merchant' } })).toBe(true)
    expect(audienceMatches(merchants, { context: { kind: 'courier' } })).toBe(false)
    expect(audienceMatches(merchants, { context: { kind: 'merchant' }, profile: { banned: true } })).toBe(
      false,
    )
  })
  test('that cannot be asked fits nobody, and none fits everybody', () => {
    expect(audienceMatches(merchants, { context: {} })).toBe(false)
    expect(audienceMatches(flowOf([{ id: 'a' }]), { context: {} })).toBe(true)
  })
  test('is a recommendation: whoever starts the flow nevertheless has started it', () => {
    const { events } = inFlow(merchants).session().when({ type: 'StartSession', userId: 'ana', context: {} })
    expect(events[0]!.type).toBe('SessionStarted')
    expect(inFlow(merchants).session(startedWith({})).view().currentStep).toBe('a')
  })
})
