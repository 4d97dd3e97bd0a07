import { describe, expect, test } from 'vitest'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import { flowOpportunities } from '../../../src/analysis/insight/opportunities.ts'
import { gain } from '../../../src/analysis/insight/stepOpportunities.ts'
import { type Happened, random, sourceOf } from '../support/histories.ts'

const at = (session: string, time: number, what: string, properties: Record<string, unknown> = {}) => ({
  session,
  at: time,
  what,
  properties,
})
const ask = (events: readonly Happened[], order: readonly string[] = []): any => {
  const outcome = flowOpportunities({ flowId: 'f', order }, sourceOf(events))
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

/** `count` sessions that do these steps and end so. */
let numbered = 0
const sessions = (count: number, steps: readonly string[], end = '!SessionAbandoned', context = {}) =>
  Array.from({ length: count }, () => {
    const id = `s${numbered++}`
    const done = steps.map((step, i) => at(id, i + 1, `step:${step}`))
    return [at(id, 0, '!SessionStarted', { context }), ...done, at(id, 99, end)]
  }).flat()

describe('steps', () => {
  test('rank by completions to be won, not by drop-off alone', () => {
    const { steps } = ask([
      ...sessions(100, ['a']),
      ...sessions(300, ['a', 'b', 'd'], '!SessionCompleted'),
      // c is met by few, and loses most of them.
      ...sessions(18, ['a', 'b']).map((event) => event),
      ...sessions(2, ['a', 'b', 'c', 'd'], '!SessionCompleted'),
    ])
    expect(steps[0]).toMatchObject({ stepId: 'b', reached: 420, lost: 100 })
    expect(steps[0].completionsToWin).toBeCloseTo(100 * (302 / 320), 9)
  })

  test('lose who ended at them: where something was begun, or else where others went on', () => {
    const stuck = (id: string) => [
      at(id, 0, '!SessionStarted'),
      at(id, 1, 'step:a'),
      at(id, 2, '!StepStarted', { stepId: 'c' }),
      at(id, 99, '!SessionAbandoned'),
    ]
    const { steps } = ask([
      ...sessions(10, ['a', 'b', 'c'], '!SessionCompleted'),
      ...sessions(3, ['a']),
      ...stuck('x'),
      ...stuck('y'),
    ])
    const lost = Object.fromEntries(steps.map((step: any) => [step.stepId, step.lost]))
    expect(lost).toEqual({ a: 0, b: 3, c: 2 })
  })

  test('a step’s figures are those of the query beside it', () => {
    const events = [...sessions(20, ['a', 'b'], '!SessionCompleted'), ...sessions(7, ['a'])]
    const { steps } = ask(events)
    const funnel = queryFunnel(steps[0].query.body, sourceOf(events))
    if ('faults' in funnel) return expect.fail(JSON.stringify(funnel.faults))
    expect(steps[0]).toMatchObject({ stepId: 'b', lost: 7, reached: 27 })
    expect(funnel.answer.steps.map(({ count }) => count)).toEqual([27, 20, 20])
  })

  test('what could be won keeps its interval over many draws', () => {
    const { chance } = random(17)
    const [reached, drop, after] = [300, 0.3, 0.7]
    let covered = 0
    for (let round = 0; round < 1000; round++) {
      let [lost, completed] = [0, 0]
      for (let n = 0; n < reached; n++) {
        if (chance(drop)) lost += 1
        else if (chance(after)) completed += 1
      }
      const { ci } = gain({ lost, met: reached - lost, completed })
      if (ci[0] <= reached * drop * after && reached * drop * after <= ci[1]) covered += 1
    }
    expect(covered).toBeGreaterThan(930)
    expect(covered).toBeLessThan(975)
    expect(gain({ lost: 0, met: 10, completed: 10 })).toMatchObject({ completionsToWin: 0 })
    expect(gain({ lost: 10, met: 0, completed: 0 })).toMatchObject({ completionsToWin: 0, ci: [0, 10] })
  })
})

test('fields are told by how often they fail, and the query shows it', () => {
  const fail = (id: string, time: number, ...pointers: string[]) =>
    at(id, time, '!StepValidationFailed', {
      stepId: 'a',
      errors: pointers.map((pointer) => ({ pointer, detail: 'is wrong' })),
    })
  const events = [
    ...sessions(6, ['a'], '!SessionCompleted'),
    at('x', 0, '!SessionStarted'),
    fail('x', 1, '/data/iban', '/data/name'),
    fail('x', 2, '/data/iban'),
    at('x', 3, 'step:a'),
    at('y', 0, '!SessionStarted'),
    fail('y', 1, '/data/iban'),
  ]
  const { fields } = ask(events)
  expect(fields).toMatchObject([
    { stepId: 'a', pointer: '/data/iban', failures: 3, sessions: 2, neverMet: 1, failureRate: 3 / 10 },
    { stepId: 'a', pointer: '/data/name', failures: 1, sessions: 1, neverMet: 0 },
  ])
  const funnel = queryFunnel(fields[0].query.body, sourceOf(events))
  if ('faults' in funnel) return expect.fail(JSON.stringify(funnel.faults))
  expect(funnel.answer.steps.map(({ count }) => count)).toEqual([2, 1])
})

test('steps out of order are those against the flow’s, or against most', () => {
  const events = [
    ...sessions(10, ['a', 'b', 'x', 'y'], '!SessionCompleted'),
    ...sessions(4, ['b', 'a'], '!SessionCompleted'),
    ...sessions(3, ['y', 'x'], '!SessionCompleted'),
  ]
  expect(ask(events, ['a', 'b']).outOfOrder).toMatchObject([
    { stepId: 'b', before: 'a', against: 'flow', sessions: 4, both: 14 },
    { stepId: 'y', before: 'x', against: 'majority', sessions: 3, both: 13 },
  ])
  expect(ask(events, ['b', 'a']).outOfOrder[0]).toMatchObject({ stepId: 'a', before: 'b', sessions: 10 })
})

describe('segments', () => {
  test('that chance alone would give are not named', () => {
    const { chance, below } = random(23)
    let named = 0
    for (let round = 0; round < 60; round++) {
      const events = Array.from({ length: 200 }, () => {
        const context = { a: below(5), b: below(5), c: below(5) }
        return sessions(1, ['a'], chance(0.5) ? '!SessionCompleted' : '!SessionAbandoned', context)
      }).flat()
      if (ask(events).segments.length > 0) named += 1
    }
    // At q ≤ 0.05 a history without any difference names one in at most one of twenty.
    expect(named).toBeLessThanOrEqual(7)
  })

  test('are named where they do far worse, with what they cost', () => {
    const { segments } = ask([
      ...sessions(60, ['a'], '!SessionCompleted', { device: 'desktop' }),
      ...sessions(20, ['a'], '!SessionAbandoned', { device: 'desktop' }),
      ...sessions(20, ['a'], '!SessionCompleted', { device: 'phone' }),
      ...sessions(40, ['a'], '!SessionAbandoned', { device: 'phone' }),
    ])
    expect(segments).toMatchObject([
      { attribute: 'device', value: 'phone', sessions: 60, completed: 20, completionsToWin: 25 },
    ])
  })
})
