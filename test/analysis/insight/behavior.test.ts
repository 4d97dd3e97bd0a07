import { describe, expect, test } from 'vitest'
import { behaviorOf } from '../../../src/analysis/insight/behavior.ts'
import { FEWEST } from '../../../src/analysis/insight/difficulty.ts'
import { type History, histories, historyOf } from '../../../src/analysis/insight/history.ts'
import { stepVisits } from '../../../src/analysis/insight/stepVisits.ts'
import { quantilePosition, surveyOf, without } from '../../../src/analysis/insight/survey.ts'
import { type Happened, random, sourceOf } from '../support/histories.ts'

const MINUTE = 60_000
const LATER = Date.UTC(2029, 0, 1)

/** `at` in minutes. */
const at = (session: string, minutes: number, what: string, properties: Record<string, unknown> = {}) => ({
  session,
  at: minutes * MINUTE,
  what,
  properties,
})
const failed = (session: string, minutes: number, stepId: string, ...pointers: string[]) =>
  at(session, minutes, '!StepValidationFailed', {
    stepId,
    errors: pointers.map((pointer) => ({ pointer, detail: 'must be integer' })),
  })
const readAll = (events: readonly Happened[]): History[] => [...histories(sourceOf(events).index, LATER)]
const visitsOf = (...events: Happened[]) => stepVisits(readAll(events)[0]!.events).steps

describe('what a session did at a step', () => {
  test('runs from its start to its first completion, less pauses', () => {
    const visit = visitsOf(
      at('s', 0, '!SessionStarted'),
      at('s', 5, '!StepStarted', { stepId: 'a' }),
      at('s', 10, '!SessionPaused'),
      at('s', 40, '!SessionResumed'),
      at('s', 45, 'step:a'),
      at('s', 90, 'step:a'),
    ).get('a')!
    expect(visit).toMatchObject({ took: 10 * MINUTE, pausedMs: 30 * MINUTE, submissions: 2 })
  })

  test('begins when the session last moved on where it was never started', () => {
    const steps = visitsOf(at('s', 0, '!SessionStarted'), at('s', 5, 'step:a'), at('s', 12, 'step:b'))
    expect([...steps.values()].map(({ took }) => took)).toEqual([5 * MINUTE, 7 * MINUTE])
  })

  test('is not known of an import’s first line', () => {
    const steps = visitsOf(at('s', 0, '!SessionStarted'), at('s', 0, 'step:a'), at('s', 12, 'step:b'))
    expect([...steps.values()].map(({ took }) => took)).toEqual([null, 12 * MINUTE])
  })

  test('goes to the last activity while it is open: who is gone is not struggling', () => {
    const visit = visitsOf(
      at('s', 0, '!SessionStarted'),
      at('s', 5, '!StepStarted', { stepId: 'a' }),
      failed('s', 9, 'a', '/data/size', '/data/name'),
      failed('s', 11, 'a', '/data/size'),
      at('s', 900, '!MilestoneReached', { milestone: 25 }),
    ).get('a')!
    expect(visit).toMatchObject({ took: 6 * MINUTE, failures: 2, status: 'open' })
    expect([...visit.fields]).toEqual([
      ['/data/size', 2],
      ['/data/name', 1],
    ])
  })
})

test('a history ends at asOf', () => {
  const { index } = sourceOf([at('s', 0, '!SessionStarted'), at('s', 5, 'step:a')])
  expect(historyOf(index, 's', 4 * MINUTE)!.events).toHaveLength(1)
  expect(historyOf(index, 's', 5 * MINUTE)!.events).toHaveLength(2)
  expect(historyOf(index, 'nobody', LATER)).toBeUndefined()
})

test('positions among others and leaving one out agree with counting', () => {
  const { below } = random(7)
  for (let round = 0; round < 500; round++) {
    const values = Array.from({ length: 1 + below(12) }, () => below(6))
    const sorted = Float64Array.from(values).sort()
    const value = below(7) - 0.5 * below(2)
    const smaller = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    expect(quantilePosition(sorted, value)).toBeCloseTo((smaller + equal / 2) / values.length, 12)
    const rest = [...sorted]
    if (rest.includes(value)) rest.splice(rest.indexOf(value), 1)
    expect([...without(sorted, value)]).toEqual(rest)
  }
  expect(quantilePosition(new Float64Array(), 1)).toBeNull()
})

describe('difficulty', () => {
  /** Sessions that take 1, 2, … minutes for their only step. */
  const others = (count: number) =>
    Array.from({ length: count }, (_, n) => [
      at(`o${n}`, 0, '!SessionStarted'),
      at(`o${n}`, 1 + n, 'step:a'),
    ]).flat()
  const judge = (count: number, own: readonly Happened[]) => {
    const all = readAll([...others(count), ...own])
    const history = all.find(({ id }) => id === 'me')!
    return behaviorOf(history, surveyOf(all), LATER).difficulty
  }
  const slow = [at('me', 0, '!SessionStarted'), at('me', 500, 'step:a')]

  test('is a time above the 95th percentile of the others, with the figures', () => {
    const { found, steps } = judge(40, slow)
    expect(found).toBe(true)
    const [evidence] = steps[0]!.evidence
    expect(evidence).toMatchObject({ measure: 'seconds', value: 30_000, quantile: 1, comparedWith: 40 })
    // The others took 1 to 40 minutes: percentile_cont(0.95) is at 0.95 × 39.
    expect(evidence!.limit).toBeCloseTo(60 * (1 + 0.95 * 39), 6)
  })

  test('is not told against too few, and says why', () => {
    const { found, notJudged } = judge(FEWEST - 1, slow)
    expect(found).toBe(false)
    expect(notJudged).toContainEqual({
      stepId: 'a',
      measure: 'seconds',
      reason: expect.stringContaining(`${FEWEST - 1} other sessions`),
    })
    expect(judge(FEWEST, slow).found).toBe(true)
  })

  test('is not being among the slowest of those who take about as long, nor failing once', () => {
    const same = Array.from({ length: 40 }, (_, n) => [
      at(`o${n}`, 0, '!SessionStarted'),
      at(`o${n}`, 100, 'step:a'),
    ]).flat()
    const me = [at('me', 0, '!SessionStarted'), failed('me', 3, 'a', '/data'), at('me', 110, 'step:a')]
    const all = readAll([...same, ...me])
    const survey = surveyOf(all)
    expect(behaviorOf(all.find(({ id }) => id === 'me')!, survey, LATER).difficulty.found).toBe(false)
    const more = readAll([...same, ...me, failed('me', 4, 'a', '/data')])
    const again = behaviorOf(more.find(({ id }) => id === 'me')!, surveyOf(more), LATER)
    expect(again.difficulty.steps).toMatchObject([
      { stepId: 'a', evidence: [{ measure: 'failedValidations', value: 2, limit: 0 }] },
    ])
  })
})
