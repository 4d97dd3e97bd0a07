import { expect, test } from 'vitest'
import { funnelDrivers } from '../../../src/analysis/drivers/drivers.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

/** 40 units: those on plan pro and those who read the guide convert more; help after the fact must not count. */
const events = Array.from({ length: 40 }, (_, i): Happened[] => {
  const session = `s${i}`
  const pro = i % 2 === 0
  const guide = i % 4 < 2
  const converts = i % 8 !== 3 && (pro || guide)
  return [
    {
      session,
      at: 0,
      what: '!AttributesRecorded',
      properties: { attributes: { plan: pro ? 'pro' : 'free' } },
    },
    { session, at: 1, what: 'help' },
    { session, at: 2, what: 'start' },
    ...(guide ? [{ session, at: 3, what: 'guide' }] : []),
    ...(converts
      ? [
          { session, at: 4, what: 'end' },
          { session, at: 5, what: 'thanks' },
        ]
      : []),
  ]
}).flat()
const steps = [{ signal: 'start' }, { signal: 'end' }]

function drivers(query: object) {
  const outcome = funnelDrivers({ steps, ...query }, sourceOf(events))
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer.data
}

test('attributes and events on the way are weighed; what came before entry or after converting is not', () => {
  const found = drivers({})
  const names = found.map(({ attribute, event, value }) => attribute ?? `${JSON.stringify(event)}${value}`)
  expect(new Set(names)).toEqual(new Set(['plan', '{"signal":"guide"}true']))
  const pro = found.find(({ value }) => value === 'pro')!
  expect([pro.converted, pro.dropped]).toEqual([20, 0])
  expect(pro.oddsRatio).toBeCloseTo((20.5 * 10.5) / (0.5 * 10.5), 10)
  expect(pro.ci[0]).toBeLessThan(pro.oddsRatio)
  for (const { p, q } of found) expect(q).toBeGreaterThanOrEqual(p)
})

test('candidates narrow what is looked at, and faults have places', () => {
  expect(drivers({ candidates: [{ signal: 'guide' }] })).toHaveLength(1)
  const outcome = funnelDrivers(
    { steps: [], candidates: [{ step: 'none' }, { attribute: 3 }] },
    sourceOf(events),
  )
  expect('faults' in outcome && outcome.faults.map(({ pointer }) => pointer)).toEqual([
    '/steps',
    '/candidates/0/step',
    '/candidates/1/attribute',
  ])
})
