import { expect, test } from 'vitest'
import { queryRetention } from '../../../src/analysis/retention/retention.ts'
import type { RetentionQuery } from '../../../src/analysis/retention/retentionQuery.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

const at = Date.parse
const events: Happened[] = [
  { session: 's1', at: at('2026-03-28T22:30:00Z'), what: 'join' },
  { session: 's1', at: at('2026-03-29T22:30:00Z'), what: 'ping' },
]
const source = sourceOf(events, { now: at('2026-03-30T12:00:00Z') })
const query = { cohortBy: { signal: 'join' }, returnBy: { signal: 'ping' }, period: 'day', periods: 4 }

function answer(extra: Partial<RetentionQuery> = {}) {
  const outcome = queryRetention({ ...query, ...extra }, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}
const returned = (extra: Partial<RetentionQuery> = {}) =>
  answer(extra).cohorts[0]!.cells.map((cell) => cell.returned)

test('local days count, of 23 hours too', () => {
  expect(returned({ timezone: 'UTC' })).toEqual([1, 1, 0])
  expect(returned({ timezone: 'Europe/Paris' })).toEqual([1, 0, 1])
  expect(answer({ timezone: 'Europe/Paris' }).cohorts[0]!.start).toBe('2026-03-28')
  expect(returned({ clock: 'rolling24h' })).toEqual([1, 1])
})

test('a period that has not begun is left out, the present one is incomplete', () => {
  expect(answer().cohorts[0]!.cells.map(({ incomplete }) => incomplete)).toEqual([false, false, true])
  expect(answer().average).toEqual([
    { period: 0, rate: 1 },
    { period: 1, rate: 1 },
    { period: 2, rate: 0 },
    { period: 3, rate: null },
  ])
})

test('brackets say which periods they hold', () => {
  const { cells } = answer({
    brackets: [
      [0, 0],
      [1, 2],
    ],
  }).cohorts[0]!
  expect(cells.map(({ period, bracket, returned }) => ({ period, bracket, returned }))).toEqual([
    { period: 0, bracket: [0, 0], returned: 1 },
    { period: 1, bracket: [1, 2], returned: 1 },
  ])
})

test('every fault is told with its place', () => {
  const faults = (extra: object) => {
    const outcome = queryRetention({ ...query, ...extra }, source)
    return 'faults' in outcome ? outcome.faults.map(({ pointer }) => pointer) : []
  }
  expect(faults({ period: 'hour', clock: 'rolling24h' })).toEqual(['/period'])
  expect(faults({ period: 'year' })).toEqual(['/period'])
  expect(faults({ periods: 0 })).toEqual(['/periods'])
  expect(faults({ periods: 100_000 })).toEqual(['/periods'])
  expect(faults({ timezone: 'Europe/Nowhere', weekStart: 'someday' })).toEqual(['/timezone', '/weekStart'])
  expect(faults({ brackets: [[2, 1], [0], 'x'] })).toEqual(['/brackets/0', '/brackets/1', '/brackets/2'])
  expect(faults({ cohortBy: undefined, returnBy: { step: 'no' } })).toEqual(['/cohortBy', '/returnBy/step'])
})
