import { expect, test } from 'vitest'
import { queryFunnel } from '../../../src/analysis/funnel/funnel.ts'
import type { FunnelQuery } from '../../../src/analysis/funnel/funnelQuery.ts'
import type { EventFilter } from '../../../src/analysis/plan/filter.ts'
import {
  byUnit,
  type Happened,
  type Random,
  random,
  randomHistories,
  sourceOf,
} from '../support/histories.ts'
import { type Filter, type ReferenceFunnel, referenceRows, referenceUnit } from './referenceFunnel.ts'

const WHATS = ['a', 'b', 'c', 'a', 'b', 'c', 'x', 'step:s', '!StepStarted', '!ExposureRecorded']
const SPAN = 12
const QUERIES = 400
const SESSIONS = 60

const signal = (name: string): Filter => ({ query: { signal: name }, matches: ({ what }) => what === name })
const stepStarted: Filter = {
  query: { event: 'StepStarted' },
  matches: ({ what }) => what === '!StepStarted',
}

function filters({ pick, below, chance }: Random, count: number): Filter[] {
  const drawn = Array.from({ length: count }, (): Filter | 'any' => {
    const draw = below(20)
    if (draw === 0) return 'any'
    if (draw === 1) return stepStarted
    if (draw === 2) return { query: { step: 's' }, matches: ({ what }) => what === 'step:s' }
    const plain = signal(pick(['a', 'b', 'c']))
    if (!chance(0.15)) return plain
    const value = below(2)
    return {
      query: { ...plain.query, where: `properties.p == ${value}` },
      matches: (event) => plain.matches(event) && event.properties?.p === value,
    }
  })
  const named = drawn.includes(stepStarted)
  const any: Filter = {
    query: { any: true },
    matches: ({ what }) => !what.startsWith('!') || (named && what === '!StepStarted'),
  }
  return drawn.map((filter) => (filter === 'any' ? any : filter))
}

function randomFunnel(
  draw: Random,
  mode: Pick<ReferenceFunnel, 'order' | 'entry' | 'ties'>,
): ReferenceFunnel {
  const { below, chance, pick } = draw
  const steps = filters(draw, 1 + below(4))
  const exclusions =
    mode.order === 'ordered' && steps.length > 1 && chance(0.5)
      ? Array.from({ length: 1 + below(2) }, () => {
          const from = below(steps.length - 1)
          return { filter: signal(pick(['x', 'b'])), from, to: from + 1 + below(steps.length - from - 1) }
        })
      : []
  const from = chance(0.2) ? below(SPAN) : Number.NEGATIVE_INFINITY
  const to = chance(0.2) ? Math.max(from, 0) + 1 + below(SPAN) : Number.POSITIVE_INFINITY
  return {
    ...mode,
    steps,
    exclusions,
    window: chance(0.7) ? below(8) : Number.POSITIVE_INFINITY,
    from,
    to,
    asOf: chance(0.5) ? below(SPAN + 6) : SPAN + 100,
  }
}

const time = (ms: number) => new Date(ms).toISOString()

function queryOf(funnel: ReferenceFunnel, unit: 'session' | 'user'): FunnelQuery {
  return {
    steps: funnel.steps.map(({ query }) => query as EventFilter),
    order: funnel.order,
    entry: funnel.entry,
    ties: funnel.ties,
    ...(Number.isFinite(funnel.window) && { window: `PT${funnel.window / 1000}S` }),
    exclusions: funnel.exclusions.map(({ filter, ...range }) => ({
      ...range,
      filter: filter.query as EventFilter,
    })),
    ...(Number.isFinite(funnel.from) && { from: time(funnel.from) }),
    ...(Number.isFinite(funnel.to) && { to: time(funnel.to) }),
    asOf: time(funnel.asOf),
    unit,
  }
}

function engineRows(events: readonly Happened[], query: object) {
  const outcome = queryFunnel(query, sourceOf(events, { steps: ['s'] }))
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer.steps.map(({ count, dropped, inProgress, medianSeconds, p90Seconds }) => ({
    count,
    dropped,
    inProgress,
    medianSeconds,
    p90Seconds,
  }))
}

/** Medians are sums of seconds in floating point: compared to the microsecond. */
const rounded = (rows: object[]) =>
  JSON.stringify(rows, (_, v) => (typeof v === 'number' ? Math.round(v * 1e6) / 1e6 : v))

for (const order of ['ordered', 'strict', 'unordered'] as const) {
  for (const entry of ['first', 'any'] as const) {
    for (const ties of ['recorded', 'any'] as const) {
      test(`a funnel (${order}, entry ${entry}, ties ${ties}) is what its definition says of 20,000 histories`, () => {
        const draw = random(`${order}${entry}${ties}`.length * 7919 + (ties === 'any' ? 1 : 0))
        let histories = 0
        for (let q = 0; q < QUERIES; q++) {
          const funnel = randomFunnel(draw, { order, entry, ties })
          const events = randomHistories(draw, { sessions: SESSIONS, whats: WHATS, span: SPAN })
          const kind = draw.chance(0.25) ? 'user' : 'session'
          const units = [...byUnit(events, kind).values()].filter((list) => list.length <= 8)
          histories += units.length
          const members = new Set(units.flat())
          const seen = events.filter((event) => members.has(event))
          const query = queryOf(funnel, kind)
          const expected = referenceRows(
            units.map((unit) => referenceUnit(unit, funnel)),
            funnel,
          )
          const got = engineRows(seen, query)
          if (rounded(got) === rounded(expected)) continue
          for (const unit of units) {
            const alone = rounded(referenceRows([referenceUnit(unit, funnel)], funnel))
            const mine = seen.filter((event) => unit.includes(event))
            const told = JSON.stringify({ query, unit })
            expect(rounded(engineRows(mine, query)), told).toBe(alone)
          }
          expect(rounded(got), JSON.stringify(query)).toBe(rounded(expected))
        }
        expect(histories).toBeGreaterThanOrEqual(20_000)
      })
    }
  }
}
