import { expect, test } from 'vitest'
import { queryRetention } from '../../../src/analysis/retention/retention.ts'
import { byUnit, type Happened, type Random, random, sourceOf } from '../support/histories.ts'
import { type ReferenceRetention, referenceRetention } from './referenceRetention.ts'

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']
const ZONES = [
  'UTC',
  'Europe/Paris',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Havana',
  'Asia/Kolkata',
]
const LENGTH = { hour: 36e5, day: 864e5, week: 7 * 864e5, month: 30 * 864e5 }
const HOUR = 36e5

/** Sessions within some periods of a change of clocks, recorded in any order. */
function histories(
  { below, chance, pick }: Random,
  sessions: number,
  period: keyof typeof LENGTH,
): Happened[] {
  const change = pick([Date.UTC(2025, 2, 30, 1), Date.UTC(2025, 9, 26, 1), Date.UTC(2024, 10, 3, 6)])
  const span = 6 * LENGTH[period]
  return Array.from({ length: sessions }, (_, s) =>
    Array.from({ length: 1 + below(5) }, (): Happened => {
      const at = change - span / 2 + below(span)
      return {
        session: `s${s}`,
        ...(s % 2 === 0 && { user: `u${s % 40}` }),
        at: chance(0.3) ? Math.floor(at / HOUR) * HOUR : at,
        what: pick(['join', 'back', 'back', 'other']),
      }
    }),
  )
    .flat()
    .sort(() => below(3) - 1)
}

for (const period of ['hour', 'day', 'week', 'month'] as const) {
  for (const clock of ['calendar', 'rolling24h'] as const) {
    if (period === 'hour' && clock === 'rolling24h') continue
    for (const mode of ['on', 'onOrAfter'] as const) {
      test(`retention (${period}, ${clock}, ${mode}) is what its definition says of 20,000 histories`, () => {
        const draw = random(period.length * 31 + clock.length * 7 + mode.length)
        for (let round = 0; round < 200; round++) {
          const unit = draw.chance(0.3) ? 'user' : 'session'
          const events = histories(draw, 110, period)
          const weekStart = 1 + draw.below(7)
          const times = events.map(({ at }) => at)
          const brackets = draw.chance(0.3)
            ? [
                [0, 0],
                [1, 2],
                [2, 4],
                [5, 9],
              ].map(([from, to]) => [from!, to!] as const)
            : Array.from({ length: 1 + draw.below(8) }, (_, n) => [n, n] as const)
          const reference: ReferenceRetention = {
            period,
            clock,
            mode,
            brackets,
            timezone: draw.pick(ZONES),
            weekStart,
            asOf: draw.chance(0.6)
              ? draw.pick(times) + draw.below(2) * HOUR
              : Math.max(...times) + 400 * HOUR,
            cohort: ({ what }) => what === 'join',
            back: ({ what }) => what === 'back',
          }
          const outcome = queryRetention(
            {
              cohortBy: { signal: 'join' },
              returnBy: { signal: 'back' },
              period,
              clock,
              mode,
              unit,
              timezone: reference.timezone,
              weekStart: WEEKDAYS[weekStart - 1],
              asOf: new Date(reference.asOf).toISOString(),
              ...(brackets[1]?.[1] === 2 ? { brackets } : { periods: brackets.length }),
            },
            sourceOf(events),
          )
          if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
          const { cohorts, average } = outcome.answer
          const got = {
            cohorts: cohorts.map(({ start, size, cells }) => ({
              start,
              size,
              cells: cells.map(({ period, returned, eligible, incomplete }) => ({
                period,
                returned,
                eligible,
                incomplete,
              })),
            })),
            average,
          }
          expect(got, JSON.stringify(reference)).toEqual(
            referenceRetention([...byUnit(events, unit).values()], reference),
          )
        }
      })
    }
  }
}
