import { describe, expect, test } from 'vitest'
import type { AnalysisEvent } from '../../../src/analysis/columns/analysisEvent.ts'
import { ColumnarIndex } from '../../../src/analysis/columns/columnarIndex.ts'
import { experimentAnswer, specOf } from '../../../src/analysis/experiment/experimentAnswer.ts'
import { experimentResults } from '../../../src/analysis/experiment/results.ts'
import { aggregate, type UnitTable } from '../../../src/analysis/experiment/units.ts'
import { unitTable } from '../../../src/analysis/experiment/unitTable.ts'
import type { AnalysisSource } from '../../../src/analysis/plan/source.ts'
import type { ExperimentDefinition, ExperimentMetric } from '../../../src/domain/experimentDefinition.ts'
import { type Random, random } from '../support/histories.ts'

const HOUR = 3_600_000

/** An event as the definition of experiments speaks of it. */
interface Event {
  readonly flow: number
  readonly session: string
  readonly user: string | undefined
  /** hours */
  readonly at: number
  readonly exposure?: { readonly experiment: string; readonly variant: string }
  readonly signal?: string
  readonly step?: string
  readonly value?: number
  readonly gift?: boolean
  readonly spend?: number
}

describe('the units of an experiment', () => {
  test.each([1, 2, 3, 4])('equal those counted one by one, on 1,500 random histories (%i)', (seed) => {
    const chance = random(seed)
    for (let i = 0; i < 1500; i++) {
      const definition = anyExperiment(chance)
      const events = anyHistory(chance)
      const asOf = chance.chance(0.3) ? chance.below(20) : 1000
      const sources = sourcesOf(events)
      const engine = unitTable(definition, sources, asOf * HOUR, () => {})
      const order = Array.from({ length: engine.table.size }, (_, unit) => engine.id(unit))
      const counted = countedOneByOne(definition, events, asOf, order)
      expect(plain(engine.table), JSON.stringify({ definition, events, asOf }, null, 1)).toEqual(
        plain(counted),
      )
      const arms = definition.variants.map((_, arm) =>
        [...order.keys()].filter((u) => counted.variant[u] === arm),
      )
      const exposed = arms.map(({ length }) => length)
      const multiExposed = order.length - exposed.reduce((a, b) => a + b, 0)
      const { metrics, srm, decision } = experimentResults(specOf(definition), {
        assigned: 0,
        exposed,
        multiExposed,
        hasCovariate: true,
        moments: aggregate(counted, definition.variants.length),
      })
      const question = { definition, assigned: 0, asOf: asOf * HOUR }
      const answered = experimentAnswer(question, sources, '0')
      expect({ ...answered, metrics: withoutOutlook(answered.metrics) }).toMatchObject({
        assigned: order.length,
        exposed: order.length,
        multiExposed,
        srm,
        decision,
        metrics: withoutOutlook(metrics),
      })
      const last = answered.series.at(-1)
      if (last) expect(last.exposed).toBe(order.length - multiExposed)
    }
  })

  test('of a bandit are compared within the weights they were assigned by', () => {
    // Half of all convert in the first period and none in the second, whatever they are shown; the weights favour b late.
    const events: Event[] = []
    const of = new Map<string, number>()
    const person = (id: string, period: number, variant: string, converts: boolean) => {
      const who = { flow: 0, session: id, user: undefined }
      events.push({ ...who, at: 1, exposure: { experiment: 'x', variant } })
      if (converts) events.push({ ...who, at: 2, signal: 'buy' })
      of.set(id, period)
    }
    for (let i = 0; i < 400; i++) person(`early-${i}`, 0, i % 2 === 0 ? 'a' : 'b', i % 4 < 2)
    for (let i = 0; i < 400; i++) person(`late-${i}`, 1, i % 10 === 0 ? 'a' : 'b', false)
    const definition: ExperimentDefinition = {
      ...anyExperiment(random(1)),
      unit: 'session',
      metrics: [conversion],
    }
    const question = {
      definition: { ...definition, mode: 'bandit' } as const,
      assigned: 800,
      asOf: 1000 * HOUR,
      periods: {
        weights: [
          [0.5, 0.5],
          [0.1, 0.9],
        ],
        of,
      },
    }
    const bandit = experimentAnswer(question, sourcesOf(events), '0')
    expect(bandit.srm.p).toBeCloseTo(1, 10)
    expect(bandit.metrics[0]!.variants[1]!.absolute).toBeCloseTo(0, 10)
    expect(bandit.nextWeights![0]).toBeCloseTo(0.5, 1)
    // Pooled, b would look far worse than it is.
    const pooled = experimentAnswer({ ...question, definition }, sourcesOf(events), '0')
    expect(pooled.metrics[0]!.variants[1]!.absolute).toBeLessThan(-0.1)
  })
})

const conversion: ExperimentMetric = {
  key: 'buys',
  type: 'conversion',
  filter: { signal: 'buy' },
  direction: 'increase',
  role: 'primary',
}

function anyExperiment(chance: Random): ExperimentDefinition {
  const filters = [
    { signal: 'buy' },
    { signal: 'buy', where: 'properties.gift == true' },
    { step: 'end' },
    { event: 'ExposureRecorded' },
    { any: true },
  ] as const
  const metric = (_: unknown, i: number): ExperimentMetric => {
    const type = chance.pick(['conversion', 'count', 'sum', 'mean', 'ratio'] as const)
    return {
      key: `m${i}`,
      type,
      filter: chance.pick(filters),
      ...(type === 'ratio' && { denominator: chance.pick(filters) }),
      ...(chance.chance(0.4) && { window: chance.pick(['PT3H', 'P1D', 'PT0S']) }),
      direction: 'increase',
      role: 'primary',
    }
  }
  return {
    key: 'x',
    unit: chance.pick(['user', 'session'] as const),
    variants: [
      { key: 'a', weight: 1 },
      { key: 'b', weight: 1 },
    ],
    metrics: Array.from({ length: 1 + chance.below(3) }, metric),
    covariate: 'spend',
  }
}

function anyHistory(chance: Random): Event[] {
  const sessions = Array.from({ length: 1 + chance.below(7) }, (_, i) => ({
    session: `s${i}`,
    flow: chance.below(2),
    user: chance.chance(0.6) ? `u${chance.below(3)}` : undefined,
  }))
  return Array.from({ length: chance.below(30) }, (_, i): Event => {
    const who = { ...chance.pick(sessions), at: chance.below(30) }
    switch (chance.below(4)) {
      case 0: {
        const experiment = chance.chance(0.85) ? 'x' : 'y'
        const variant = chance.chance(0.95) ? chance.pick(['a', 'a', 'b']) : 'stranger'
        return { ...who, exposure: { experiment, variant } }
      }
      case 1:
        return { ...who, step: chance.pick(['end', 'other']) }
      case 2:
        // Among equal times of two flows none is the later one.
        return { ...who, at: who.at + i / 100, spend: chance.below(9) }
      default:
        return {
          ...who,
          signal: chance.pick(['buy', 'buy', 'look']),
          gift: chance.chance(0.5),
          ...(chance.chance(0.7) && { value: chance.below(50) - 10 }),
        }
    }
  })
}

function sourcesOf(events: readonly Event[]): AnalysisSource[] {
  const indexes = [new ColumnarIndex(), new ColumnarIndex()]
  for (const [row, event] of events.entries()) indexes[event.flow]!.append(recorded(event, row))
  return indexes.map((index) => ({ index, steps: [], segments: new Map(), now: 0 }))
}

function recorded(event: Event, row: number): AnalysisEvent {
  const { session, user, at, exposure, signal, step, value, gift, spend } = event
  const about = {
    position: String(row + 1),
    sessionId: session,
    userId: user ?? null,
    occurredAt: at * HOUR,
    revision: row,
  }
  if (exposure) return { ...about, type: 'ExposureRecorded', data: exposure }
  if (step) return { ...about, type: 'StepCompleted', data: { stepId: step, data: {} } }
  if (signal) return { ...about, type: 'SignalTracked', data: { signal, value, properties: { gift } } }
  return { ...about, type: 'AttributesRecorded', data: { attributes: { spend } } }
}

/** Written from the contract, unit by unit, in the order given. */
function countedOneByOne(
  { unit, variants, metrics, covariate }: ExperimentDefinition,
  events: readonly Event[],
  asOf: number,
  order: readonly string[],
): UnitTable {
  const seen = events.filter(({ at }) => at <= asOf)
  const units = new Map<string, Event[]>()
  // A user is known from any event of theirs, also one after `asOf`: sessions do not change hands here.
  for (const event of seen) {
    const id = unit === 'user' ? (event.user ?? event.session) : event.session
    units.set(id, [...(units.get(id) ?? []), event])
  }
  const rows = new Map<string, { variant: number; values: number[][]; covariate: number }>()
  for (const [id, own] of units) {
    const exposures = own.filter(({ exposure }) => exposure?.experiment === 'x')
    const shown = new Set(exposures.map(({ exposure }) => exposure!.variant))
    if (shown.size === 0 || (shown.size === 1 && shown.has('stranger'))) continue
    const since = Math.min(...exposures.map(({ at }) => at))
    const variant = shown.size > 1 ? -1 : variants.findIndex(({ key }) => shown.has(key))
    const later = own.filter(({ at }) => at >= since)
    const values = metrics.map((metric): number[] => {
      const hours = { PT3H: 3, P1D: 24, PT0S: 0 }[metric.window ?? ''] ?? Number.POSITIVE_INFINITY
      const within = later.filter(({ at }) => at - since <= hours)
      const matching = within.filter((event) => meets(metric, metric.filter, event))
      const total = (missing: number) => matching.reduce((sum, { value }) => sum + (value ?? missing), 0)
      if (metric.type === 'conversion') return [matching.length > 0 ? 1 : 0]
      if (metric.type === 'count') return [matching.length]
      if (metric.type === 'sum') return [total(0)]
      if (metric.type === 'mean') return [total(0), matching.length]
      const below = within.filter((event) => meets(metric, metric.denominator!, event))
      return [total(1), below.reduce((sum, { value }) => sum + (value ?? 1), 0)]
    })
    const known = own.filter(({ spend }) => spend !== undefined)
    const last = known.reduce<Event | undefined>((a, b) => (a && a.at > b.at ? a : b), undefined)
    rows.set(id, {
      variant,
      values: variant < 0 ? values.map((v) => v.map(() => 0)) : values,
      covariate: last?.spend ?? Number.NaN,
    })
  }
  expect([...rows.keys()].sort()).toEqual([...order].sort())
  const column = (of: (row: { variant: number; values: number[][]; covariate: number }) => number) =>
    order.map((id) => of(rows.get(id)!))
  return {
    size: order.length,
    variant: column(({ variant }) => variant),
    metrics: metrics.map(({ type }, m) => ({
      numerator: column(({ values }) => values[m]![0]!),
      ...((type === 'mean' || type === 'ratio') && { denominator: column(({ values }) => values[m]![1]!) }),
    })),
    ...(covariate !== undefined && { covariate: column((row) => row.covariate) }),
  }
}

function meets(metric: ExperimentMetric, filter: ExperimentMetric['filter'], event: Event): boolean {
  const { signal, step, exposure, gift } = event
  if ('signal' in filter) return signal === filter.signal && (filter.where === undefined || gift === true)
  if ('step' in filter) return step === filter.step
  if ('event' in filter) return exposure !== undefined
  // Exposures count as events only where some filter names them.
  const named = [metric.filter, metric.denominator].some((other) => other && 'event' in other)
  return signal !== undefined || step !== undefined || (named && exposure !== undefined)
}

const withoutOutlook = (metrics: readonly object[]) =>
  metrics.map((metric) => ({ ...metric, outlook: undefined }))

const plain = ({ size, variant, metrics, covariate }: UnitTable) => ({
  size,
  variant: Array.from(variant),
  metrics: metrics.map(({ numerator, denominator }) => [
    Array.from(numerator),
    denominator && Array.from(denominator),
  ]),
  covariate: covariate && Array.from(covariate),
})
