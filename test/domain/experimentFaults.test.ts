import { describe, expect, test } from 'vitest'
import type { ExperimentDefinition } from '../../src/domain/experimentDefinition.ts'
import { experimentFaults } from '../../src/domain/experimentFaults.ts'
import { flowOfSession, overriddenFlow, overrideFaultsOn } from '../../src/domain/flowOverrides.ts'
import { flowOf } from './support/session.ts'

type Metric = ExperimentDefinition['metrics'][number]
const metric = (more: Partial<Metric> = {}): Metric => ({
  key: 'done',
  type: 'conversion',
  filter: { event: 'SessionCompleted' },
  direction: 'increase',
  role: 'primary',
  ...more,
})
const sound: ExperimentDefinition = {
  key: 'e',
  flowId: 'flow',
  unit: 'user',
  variants: [
    { key: 'a', weight: 1 },
    { key: 'b', weight: 1 },
  ],
  metrics: [metric()],
}
const pointers = (more: Partial<ExperimentDefinition>) =>
  experimentFaults({ ...sound, ...more }).map(({ pointer }) => pointer)
const variant = (key: string, more: object = {}) => ({ key, weight: 1, ...more })

describe('an experiment that makes sense has no faults', () => {
  test.each<Partial<ExperimentDefinition>>([
    {},
    { namespace: { key: 'n', from: 0, to: 0.5 } },
    { metrics: [metric({ type: 'ratio', denominator: { step: 'x' } })] },
    { metrics: [metric(), metric({ key: 'errors', role: 'guardrail', margin: 0.01 })] },
    { metrics: [metric({ type: 'sum', filter: { signal: 'spend' }, winsorise: 0.99 })] },
    {
      variants: [variant('a', { levels: { x: '0', y: '0' } }), variant('b', { levels: { y: '0', x: '1' } })],
    },
    { variants: [variant('a'), variant('b', { overrides: { steps: {} } }), { key: 'c', weight: 0 }] },
  ])('%j', (more) => {
    expect(pointers(more)).toEqual([])
  })
})

describe('every fault is named at its place', () => {
  test.each<[Partial<ExperimentDefinition>, string[]]>([
    [{ variants: [variant('a'), variant('a')] }, ['/variants/1/key']],
    [{ variants: [variant('a'), { key: 'b', weight: 0 }] }, ['/variants']],
    [{ metrics: [metric(), metric()] }, ['/metrics/1/key']],
    [{ metrics: [metric({ type: 'ratio' })] }, ['/metrics/0/denominator']],
    [{ metrics: [metric({ denominator: { any: true } })] }, ['/metrics/0/denominator']],
    [{ metrics: [metric({ margin: 1, winsorise: 0.9 })] }, ['/metrics/0/margin', '/metrics/0/winsorise']],
    [{ variants: [variant('a', { levels: { x: '0' } }), variant('b')] }, ['/variants/1/levels']],
    [
      { variants: [variant('a', { levels: { x: '0' } }), variant('b', { levels: { x: '0' } })] },
      ['/variants/1/levels'],
    ],
    [{ namespace: { key: 'n', from: 0.5, to: 0.5 } }, ['/namespace/to']],
  ])('%j', (more, expected) => {
    expect(pointers(more)).toEqual(expected)
  })

  test('overrides without a flow to change', () => {
    const { flowId: _, ...nowhere } = sound
    const variants = [variant('a'), variant('b', { overrides: { steps: {} } })]
    expect(experimentFaults({ ...nowhere, variants })).toMatchObject([{ pointer: '/variants/1/overrides' }])
  })
})

describe('overrides of a flow’s steps', () => {
  const flow = flowOf([{ id: 'a' }, { id: 'b', dependsOn: ['a'] }])
  const over = (steps: Record<string, Record<string, unknown>>) =>
    overrideFaultsOn(
      { ...sound, variants: [variant('x'), variant('y', { overrides: { steps } })] },
      flow.definition,
    )

  test('that fit have no faults', () => {
    expect(over({ b: { required: false, title: 'Later' } })).toEqual([])
    expect(over({})).toEqual([])
  })

  test.each<[string, Record<string, Record<string, unknown>>, string]>([
    ['a step that is not there', { 'c/d': {} }, '/variants/1/overrides/steps/c~1d'],
    ['another id', { a: { id: 'z' } }, '/variants/1/overrides/steps/a/id'],
    ['a field that no step has', { a: { colour: 'red' } }, '/variants/1/overrides/steps/a/colour'],
    ['a field of the wrong kind', { a: { required: 'yes' } }, '/variants/1/overrides/steps/a/required'],
    ['a circle', { a: { dependsOn: ['b'] } }, '/variants/1/overrides/steps/a/dependsOn/0'],
  ])('with %s are refused', (_what, steps, pointer) => {
    expect(over(steps).map((fault) => fault.pointer)).toContain(pointer)
  })

  test('change the flow of a session, the later ones over the earlier', () => {
    const overrides = [
      { steps: { b: { required: false, title: 'One' } } },
      { steps: { b: { title: 'Two' } } },
    ]
    const changed = overriddenFlow(flow, overrides)!
    expect(changed.stepById.get('b')).toMatchObject({ required: false, definition: { title: 'Two' } })
    expect(overriddenFlow(flow, structuredClone(overrides))).toBe(changed)
    expect(flowOfSession(flow, { overrides })).toBe(changed)
    expect(overriddenFlow(flow, [])).toBe(flow)
    expect(flowOfSession(flow, { overrides: [] })).toBe(flow)
  })

  test('that fit this version no more leave it as it is', () => {
    for (const steps of [{ a: { dependsOn: ['gone'] } }, { a: { required: 7 } }]) {
      expect(overriddenFlow(flow, [{ steps }])).toBeUndefined()
      expect(flowOfSession(flow, { overrides: [{ steps }] })).toBe(flow)
    }
  })
})
