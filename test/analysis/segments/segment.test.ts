import { expect, test } from 'vitest'
import { segmentFaults, segmentMembers, segmentSize } from '../../../src/analysis/segments/segment.ts'
import type { SegmentRule } from '../../../src/analysis/segments/segmentRule.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

const DAY = 864e5
const events: Happened[] = [
  {
    session: 's1',
    user: 'ann',
    at: 0,
    what: '!SessionStarted',
    properties: { context: { country: 'FR', seats: 5 } },
  },
  { session: 's1', user: 'ann', at: DAY, what: 'ping' },
  { session: 's1', user: 'ann', at: 8 * DAY, what: 'ping' },
  {
    session: 's2',
    user: 'ann',
    at: 2 * DAY,
    what: '!SessionStarted',
    properties: { context: { country: 'BE' } },
  },
  { session: 's2', user: 'ann', at: 3 * DAY, what: 'ping' },
  { session: 's3', at: 5 * DAY, what: '!SessionStarted', properties: { context: { country: 'FR' } } },
]
const source = sourceOf(events, { now: 10 * DAY })
const ping = { signal: 'ping' }
const members = (rule: SegmentRule, unit: 'session' | 'user' = 'session', asOf = 10 * DAY) =>
  segmentMembers(rule, source, { unit, asOf }).members.map(({ id }) => id)

test('by attributes last known, and a missing one is no match', () => {
  expect(members('attributes.country == "FR"')).toEqual(['s1', 's3'])
  expect(members('attributes.seats > 3')).toEqual(['s1'])
  expect(members('attributes.country == "FR"', 'user')).toEqual(['s3'])
  expect(members('attributes.country == "FR"', 'user', DAY)).toEqual(['ann'])
})

test('by what was done: how often, within a time from the start, since a time', () => {
  expect(members({ did: ping })).toEqual(['s1', 's2'])
  expect(members({ did: ping, atLeast: 2 })).toEqual(['s1'])
  expect(members({ did: ping, atLeast: 2, within: 'P7D' })).toEqual([])
  expect(members({ did: ping, atLeast: 2, within: 'P8D' })).toEqual(['s1'])
  expect(members({ did: ping, atLeast: 3 }, 'user')).toEqual(['ann'])
  expect(members({ did: ping, since: '1970-01-05T00:00:00Z' })).toEqual(['s1'])
})

test('put together by all, any and not', () => {
  const french = 'attributes.country == "FR"'
  expect(members({ all: [french, { did: ping }] })).toEqual(['s1'])
  expect(members({ any: [french, { did: ping }] })).toEqual(['s1', 's2', 's3'])
  expect(members({ not: french })).toEqual(['s2'])
})

test('its size over time, nobody before they began', () => {
  const { size, series } = segmentSize({ not: { did: ping } }, source, { days: 3, asOf: 6 * DAY })
  expect(size).toBe(1)
  expect(series.map(({ size }) => size)).toEqual([0, 0, 1, 1])
})

test('members come in pages', () => {
  const first = segmentMembers({ not: { did: { signal: 'nothing' } } }, source, { limit: 2 })
  expect(first.members.map(({ id }) => id)).toEqual(['s1', 's2'])
  const rest = segmentMembers({ not: { did: { signal: 'nothing' } } }, source, {
    limit: 2,
    after: first.next!,
  })
  expect(rest).toEqual({ members: [{ unit: 2, id: 's3' }], next: null })
})

test('faults have places', () => {
  const pointers = (rule: unknown) => segmentFaults(rule, source).map(({ pointer }) => pointer)
  expect(pointers('attributes.a ==')).toEqual(['/rule'])
  expect(pointers('properties.a == 1')).toEqual(['/rule'])
  expect(pointers({ did: { step: 'no' }, atLeast: 0, within: 'P-1D', often: 1 })).toEqual([
    '/rule/did/step',
    '/rule/atLeast',
    '/rule/within',
    '/rule/often',
  ])
  expect(pointers({ all: [] })).toEqual(['/rule/all'])
  expect(pointers({ any: ['true', { not: 7 }] })).toEqual(['/rule/any/1/not'])
  expect(pointers({})).toEqual(['/rule'])
})
