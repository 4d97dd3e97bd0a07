import { type FunnelAnswer, queryFunnel } from '../../analysis/funnel/funnel.ts'
import type { FunnelOptions } from '../../analysis/funnel/funnelPlan.ts'
import { timeToConvert } from '../../analysis/funnel/timeToConvert.ts'
import { funnelByEntryProperty, funnelTotals } from '../../analysis/funnel/totals.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'
import type { Adapter, Adapters } from './adapter.ts'
import { type Deed, sourceOf } from './history.ts'

// biome-ignore lint/suspicious/noExplicitAny: a vector's inputs are foreign data whose shape each adapter knows.
type Inputs = any
type Body = Readonly<Record<string, unknown>>

/** Events come as [time in seconds, name] or, when only their order matters, as letters. */
const deeds = (events: string | readonly [number, string][], unit = 'u'): Deed[] =>
  [...events].map((event, i) =>
    typeof event === 'string'
      ? { unit, at: i * 1000, signal: event }
      : { unit, at: Math.round(event[0] * 1000), signal: String(event[1]) },
  )

const history = ({ users, events }: Inputs): AnalysisSource =>
  sourceOf(
    users ? users.flatMap((user: [number, string][], i: number) => deeds(user, `u${i}`)) : deeds(events),
  )

const filters = (steps: string | readonly unknown[]) => [...steps].map((step) => ({ signal: String(step) }))

const seconds = (window: unknown) => (typeof window === 'number' ? { window: `PT${window}S` } : {})

/** The query of a case under the sources' common rule: any entry, ties in whichever order serves. */
function queryOf(inputs: Inputs): Body {
  const { steps, window_s, window = window_s, exclusions = [], mode = 'ordered' } = inputs
  const order = /^strict(_order)?\b/.test(mode) ? 'strict' : mode === 'unordered' ? 'unordered' : 'ordered'
  return {
    steps: filters(steps),
    order,
    entry: 'any',
    // a strict order that tolerates repeats walks through events one by one
    ties: /strict_order/.test(mode) ? 'recorded' : 'any',
    ...seconds(window),
    ...(exclusions.length > 0 && {
      exclusions: exclusions.map(({ event, fromStep, toStep }: Inputs) => ({
        filter: { signal: event },
        from: fromStep,
        to: toStep,
      })),
    }),
  }
}

function ask(query: Body, source: AnalysisSource, options: FunnelOptions = {}): FunnelAnswer {
  const outcome = queryFunnel(query, source, options)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

const counts = (query: Body, source: AnalysisSource, options: FunnelOptions = {}) =>
  ask(query, source, options).steps.map(({ count }) => count)

/** How far the one unit got. */
const depth = (query: Body, source: AnalysisSource, options: FunnelOptions = {}) =>
  counts(query, source, options).filter((count) => count > 0).length

/** Rules that a source sets beside each other, by the name it gives them. */
const named: Record<string, (query: Body, source: AnalysisSource, inputs: Inputs) => unknown> = {
  clickhouse_default: (query, source) => depth({ ...query, ties: 'recorded' }, source, { reuseEvents: true }),
  strict_increase: (query, source) => depth({ ...query, ties: 'recorded' }, source, { strictIncrease: true }),
  strict_once: depth,
  firstEntry: (query, source) => depth({ ...query, entry: 'first' }, source),
  optimizedReentry: depth,
  anyEntry: depth,
  statsig: (query, source, inputs) =>
    depth({ ...query, entry: 'first', ties: 'recorded' }, source, {
      stepWindowMs: inputs.window_per_step_s * 1000,
    }),
}

const funnel: Adapter = (inputs, { expected }) => {
  const query = queryOf(inputs)
  const source = history(inputs)
  const options = { tolerateRepeats: /strict_order/.test(inputs.mode ?? '') }
  if (Array.isArray(expected)) return counts(query, source, options)
  if (typeof expected === 'number') return depth(query, source, options)
  return Object.fromEntries(
    Object.keys(expected as object).map((key) => [key, named[key]?.(query, source, inputs)]),
  )
}

const times: Adapter = (inputs) => {
  if (inputs.times_s) {
    const source = sourceOf(
      inputs.times_s.flatMap((time: number, i: number) =>
        deeds(
          [
            [0, 'start'],
            [time, 'end'],
          ],
          `u${i}`,
        ),
      ),
    )
    const converted = convert({ steps: filters(['start', 'end']) }, source)
    return {
      bins: converted.histogram.map(({ from, count }) => [from, count]),
      average: converted.total.mean,
    }
  }
  const query = queryOf({ ...inputs, mode: inputs.users ? 'strict' : 'ordered' })
  const source = history(inputs)
  const answer = convert(query, source)
  return {
    counts: counts(query, source),
    ...Object.fromEntries(answer.perStep.map(({ mean }, i) => [`avgStep${i + 2}`, mean])),
    default: convert({ ...query, entry: 'first' }, source).total.mean,
    optimizedReentry: answer.total.mean,
  }
}

function convert(query: Body, source: AnalysisSource) {
  const outcome = timeToConvert(query, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

/** Events without the key that units are made by are left out, never taken for one unit. */
const aggregationKey: Adapter = ({ events, steps }) =>
  counts(
    { steps: filters(steps) },
    sourceOf(
      events
        .filter(([unit]: Inputs) => unit !== null)
        .map(([unit, signal, at]: Inputs) => ({ unit, signal, at: at * 1000 })),
    ),
  )

const totals: Adapter = ({ events, steps, exclusion }) => {
  const signal = String(exclusion ?? '').split(' ')[0]
  const exclusions = signal ? [{ filter: { signal }, from: 0, to: steps.length - 1 }] : []
  return funnelTotals({ steps: filters(steps), exclusions }, sourceOf(deeds(events)))
}

/** Events with a value each: [name, value] or [name, value, session or time]. */
const valued = (events: Inputs): AnalysisSource =>
  sourceOf(
    events.map(([signal, value, where]: Inputs, i: number) => ({
      unit: typeof where === 'string' ? where : 'u',
      at: typeof where === 'number' ? where * 1000 : i * 1000,
      signal,
      properties: value === null ? {} : { value },
    })),
  )

const breakdown: Adapter = (inputs) => {
  if (inputs.trueCompleted) return { entryStepAttribution: attributedAtEntry(inputs) }
  const source = valued(inputs.events)
  const names: string[] = [...new Set<string>(inputs.events.map(([name]: Inputs) => name))]
  const steps = filters(inputs.steps ?? names)
  if (/step index/.test(inputs.attribution ?? '')) return attributedAtEach(inputs, steps, source)
  const totals = inputs.attribution === 'step1'
  const found = funnelByEntryProperty({ steps }, source, { property: 'value', totals })
  if ('faults' in found) throw new Error(JSON.stringify(found.faults))
  if (totals) return Object.fromEntries(found.map(({ value, counts }) => [value, counts]))
  const converted = (count: readonly number[]) => count[count.length - 1]! > 0
  if (inputs.holdConstant) {
    const said = found.map(({ value, counts }) => [value, converted(counts) ? 'converted' : 'not converted'])
    return { ...Object.fromEntries(said), unit: 'user x session' }
  }
  const [first] = found
  return { attributedTo: first!.value, converted: converted(first!.counts) }
}

/** Each value that leads through the funnel at one step, units counted under every value of theirs. */
function attributedAtEach(inputs: Inputs, steps: readonly object[], source: AnalysisSource) {
  const step = Number(/\d+/.exec(inputs.attribution)![0])
  const values = new Set<string>(inputs.events.map(([, value]: Inputs) => value))
  return Object.fromEntries(
    [...values].map((value) => {
      const where = `properties.value == ${JSON.stringify(value)}`
      const restricted = steps.map((filter, i) => (i === step ? { ...filter, where } : filter))
      return [value, counts({ steps: restricted, entry: 'any' }, source)]
    }),
  )
}

/** Users of whom some change their value on the way: taken by the value at entry all are counted. */
function attributedAtEntry({ trueCompleted, groupByPerRow }: Inputs): number {
  const users = Array.from({ length: trueCompleted }, (_, i) => [
    { unit: `u${i}`, at: 0, signal: 'start', properties: { value: 'a' } },
    { unit: `u${i}`, at: 1000, signal: 'end', properties: { value: i < groupByPerRow ? 'a' : 'b' } },
  ])
  const found = funnelByEntryProperty({ steps: filters(['start', 'end']) }, sourceOf(users.flat()), {
    property: 'value',
  })
  if ('faults' in found) throw new Error(JSON.stringify(found.faults))
  return found.reduce((sum, { counts }) => sum + counts[1]!, 0)
}

/** Simultaneous within a grace: both orders are met. */
const ties: Adapter = ({ events, tie_grace_s, ...inputs }) => {
  const reached = (steps: string) =>
    depth(queryOf({ ...inputs, steps }), history({ events }), { tieGraceMs: tie_grace_s * 1000 })
  return { AthenB: reached('AB'), BthenA: reached('BA') }
}

export const funnelAdapters: Adapters = {
  funnel_ordered: funnel,
  funnel_ordered_exclusion: funnel,
  funnel_strict: funnel,
  funnel_unordered: funnel,
  funnel_time_to_convert: times,
  funnel_aggregation_key: aggregationKey,
  funnel_totals: totals,
  funnel_breakdown: breakdown,
  funnel_ties: ties,
}
