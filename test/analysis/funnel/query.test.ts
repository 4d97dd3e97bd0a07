import { expect, test } from 'vitest'
import { explainFunnel } from '../../../src/analysis/funnel/explain.ts'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import { timeToConvert } from '../../../src/analysis/funnel/timeToConvert.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

const events: Happened[] = [
  { session: 's1', at: 0, what: 'a', properties: { size: 3 } },
  { session: 's1', at: 1000, what: 'b' },
  { session: 's2', at: 0, what: 'a', properties: { size: 5 } },
  { session: 's2', at: 9000, what: 'b' },
  { session: 's3', at: 0, what: 'b' },
  { session: 's3', at: 100, what: 'a', properties: { size: 5 } },
  { session: 's4', at: 10_000, what: 'a' },
  { session: 's5', at: 0, what: 'x' },
]
const source = sourceOf(events, { now: 12_000, steps: ['welcome'] })
const steps = [{ signal: 'a' }, { signal: 'b' }]

function answer(query: object, from = source) {
  const outcome = queryFunnel(query, from)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

function faults(query: unknown) {
  const outcome = queryFunnel(query, source)
  return 'faults' in outcome ? outcome.faults.map(({ pointer }) => pointer) : []
}

test('who may still convert is not dropped', () => {
  const [first, second] = answer({ steps, window: 'PT5S' }).steps
  expect(first).toMatchObject({
    name: 'a',
    count: 4,
    dropped: 0,
    inProgress: 0,
    conversionFromPrevious: null,
  })
  expect(second).toMatchObject({ name: 'b', count: 1, dropped: 2, inProgress: 1, medianSeconds: 1 })
})

test('nobody entering gives null rates, not NaN', () => {
  const [first, second] = answer({ steps: [{ step: 'welcome' }, { signal: 'b' }] }).steps
  expect(first).toMatchObject({ count: 0, conversionFromStart: null, ci: null })
  expect(second).toMatchObject({ count: 0, conversionFromPrevious: null, medianSeconds: null, dropped: 0 })
})

test('a condition reads properties and attributes, and a missing one is false', () => {
  const at = (where: string) => answer({ steps: [{ signal: 'a', where }] }).steps[0]!.count
  expect(at('properties.size > 3')).toBe(2)
  expect(at('properties.size > 3 || properties.size == 3')).toBe(3)
  expect(at('!has(properties.size)')).toBe(1)
  expect(at('attributes.country == "FR"')).toBe(0)
  expect(at('size(properties) == 0')).toBe(1)
})

test('a condition that cannot be evaluated warns', () => {
  const { steps: rows, warnings } = answer({
    steps: [{ signal: 'a', where: 'properties.size.matches("5")' }],
  })
  expect(rows[0]!.count).toBe(0)
  expect(warnings.join()).toContain('the condition of a')
})

test('attributes are those last known at asOf, and without one the value is null', () => {
  const recorded = (session: string, at: number, plan: string | null): Happened => ({
    session,
    at,
    what: '!AttributesRecorded',
    properties: { attributes: { plan } },
  })
  // recorded later but older: the one that happened last holds
  const with_ = sourceOf(
    [
      ...events,
      recorded('s1', 500, 'pro'),
      recorded('s1', 100, 'free'),
      recorded('s2', 50, 'free'),
      recorded('s3', 1, null),
    ],
    { now: 12_000 },
  )
  const by = (asOf: string) =>
    answer({ steps, breakdown: { attribute: 'plan' }, asOf }, with_).breakdowns.map(({ value, steps }) => [
      value,
      steps[0]!.count,
    ])
  expect(by('1970-01-01T00:00:12Z')).toEqual([
    [null, 2],
    ['pro', 1],
    ['free', 1],
  ])
  expect(by('1970-01-01T00:00:00.200Z')).toEqual([
    ['free', 2],
    [null, 1],
  ])
  expect(answer({ steps: [{ signal: 'a', where: 'attributes.plan == "pro"' }] }, with_).steps[0]!.count).toBe(
    1,
  )
})

test('a breakdown by very many values shows the largest and says so', () => {
  const many = Array.from({ length: 1000 }, (_, i): Happened[] => [
    {
      session: `s${i}`,
      at: 0,
      what: '!AttributesRecorded',
      properties: { attributes: { k: i < 400 ? 'big' : i } },
    },
    { session: `s${i}`, at: 1, what: 'a' },
  ])
  const {
    steps: rows,
    breakdowns,
    warnings,
  } = answer({ steps: [{ signal: 'a' }], breakdown: { attribute: 'k' } }, sourceOf(many.flat()))
  expect(rows[0]!.count).toBe(1000)
  expect(breakdowns).toHaveLength(200)
  expect(breakdowns[0]).toMatchObject({ value: 'big', steps: [{ count: 400 }] })
  expect(warnings).toEqual(['the breakdown has 601 values; the 200 largest are shown'])
})

test('segments restrict and break down', () => {
  const segmented = {
    ...source,
    segments: new Map([['early', { did: { signal: 'b' }, within: 'PT1S' } as const]]),
  }
  const { breakdowns } = answer({ steps, breakdown: { segment: 'early' } }, segmented)
  expect(breakdowns.map(({ value, steps }) => [value, steps.map(({ count }) => count)])).toEqual([
    [false, [2, 1]],
    [true, [2, 1]],
  ])
  expect(answer({ steps, segment: 'early' }, segmented).steps.map(({ count }) => count)).toEqual([2, 1])
})

test('the same question has the same hash whenever it is asked', () => {
  const hash = (query: object) => answer(query).definitionHash
  expect(hash({ steps, entry: 'any' })).toBe(hash({ entry: 'any', steps, asOf: '2026-01-01T00:00:00Z' }))
  expect(hash({ steps, entry: 'any' })).not.toBe(hash({ steps }))
})

test('every fault of a query is told with its place', () => {
  expect(faults({ steps, window: 'P-1D' })).toEqual(['/window'])
  expect(faults({ steps, window: '-P1D' })).toEqual(['/window'])
  expect(faults({ steps, window: -1 })).toEqual(['/window'])
  expect(faults({ steps, window: 'P1M' })).toEqual(['/window'])
  expect(faults({ steps: Array(51).fill({ any: true }) })).toEqual(['/steps'])
  expect(faults({ steps: [] })).toEqual(['/steps'])
  expect(faults({ steps: [{ step: 'nowhere' }, { event: 'NoSuchEvent' }] })).toEqual([
    '/steps/0/step',
    '/steps/1/event',
  ])
  expect(faults({ steps: [{ signal: 'a', where: 'properties.' }] })).toEqual(['/steps/0/where'])
  expect(faults({ steps: [{ signal: 'a', where: 'answers.x == 1' }] })).toEqual(['/steps/0/where'])
  expect(faults({ steps: [{ signal: 'a', where: 'nonsense(properties.x)' }] })).toEqual(['/steps/0/where'])
  expect(faults({ steps: [{ signal: 'a', where: '1 + 1' }] })).toEqual(['/steps/0/where'])
  expect(faults({ steps: [{ signal: 'a', step: 'b' }, { any: false }, 7] })).toEqual([
    '/steps/0',
    '/steps/1/any',
    '/steps/2',
  ])
  const exclusion = { filter: { signal: 'x' }, from: 1, to: 1 }
  expect(faults({ steps, exclusions: [exclusion] })).toEqual(['/exclusions/0/to'])
  expect(faults({ steps, exclusions: [{ ...exclusion, to: 2 }] })).toEqual(['/exclusions/0/to'])
  expect(faults({ steps, order: 'strict', exclusions: [{ ...exclusion, from: 0 }] })).toEqual(['/exclusions'])
  expect(faults({ steps, from: '2026-02-01', to: '2026-01-01' })).toEqual(['/to'])
  expect(faults({ steps, order: 'sorted', colour: 1, unit: null })).toEqual([
    '/colour',
    '/unit',
    '/order',
    '/unit',
  ])
  expect(faults({ steps, breakdown: {}, segment: 'nobody' })).toEqual(['/breakdown', '/segment'])
  expect(faults(7)).toEqual([''])
})

test.each([
  ['s1', {}, null],
  ['s2', { window: 'PT5S' }, 'window'],
  ['s3', {}, 'order'],
  ['s4', { window: 'PT5S' }, 'waiting'],
  ['s4', {}, 'not_done'],
  ['s5', {}, 'entry'],
  ['s1', { from: '1970-01-01T00:00:05Z' }, 'period'],
  ['s1', { order: 'strict', steps: [{ signal: 'a' }, { signal: 'x' }] }, 'strict'],
  ['s1', { steps: [{ signal: 'a' }, { any: true }], exclusions: [] }, null],
])('explains %s in a funnel %o by %s', (unitId, query, rule) => {
  const outcome = explainFunnel({ steps, ...query, unitId }, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  expect(outcome.answer.stoppedBy?.rule ?? null).toBe(rule)
})

test('explains which events matched, and an exclusion', () => {
  const excluded = sourceOf([{ session: 's1', at: 500, what: 'x' }, ...events])
  const exclusions = [{ filter: { signal: 'x' }, from: 0, to: 1 }]
  const outcome = explainFunnel({ steps, exclusions, unitId: 's1' }, excluded)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  expect(outcome.answer).toMatchObject({
    reached: 2,
    excluded: true,
    stoppedBy: { rule: 'exclusion', step: 'b' },
  })
  expect(outcome.answer.steps[1]).toEqual({
    name: 'b',
    event: { sessionId: 's1', revision: 2, type: 'SignalTracked', at: '1970-01-01T00:00:01.000Z' },
  })
  expect(explainFunnel({ steps, unitId: 'nobody' }, source)).toMatchObject({
    faults: [{ pointer: '/unitId' }],
  })
})

test('times to convert: open windows are censored, closed ones are watched to their end', () => {
  const outcome = timeToConvert({ steps, window: 'PT5S' }, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  const { total, survival, histogram } = outcome.answer
  expect(total).toEqual({ median: 1, p90: 1, mean: 1, n: 1 })
  expect(survival).toMatchObject([{ t: 1, atRisk: 4, events: 1, survival: 0.75 }])
  expect(histogram).toEqual([
    { from: 1, to: 2, count: 1 },
    { from: 2, to: 3, count: 0 },
  ])
})
