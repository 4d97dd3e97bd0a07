import type { ExperimentDefinition, ExperimentMetric } from '../../domain/experimentDefinition.ts'
import type { ColumnarIndex, View } from '../columns/columnarIndex.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import { codeFilters } from '../plan/coding.ts'
import { parseDuration } from '../plan/duration.ts'
import { Faults } from '../plan/fault.ts'
import type { CompiledFilter } from '../plan/filter.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { compileMetricFilter } from './experimentCheck.ts'
import { type Exposures, exposuresOf } from './exposures.ts'
import type { MetricColumn, UnitTable } from './units.ts'

export interface ExposedUnits {
  readonly table: UnitTable
  /** ms of each unit's first exposure */
  readonly since: Float64Array
  readonly id: (unit: number) => string
}

/**
 * The exposed units of an experiment with what they did: only events at or after the unit's first exposure count, within the metric's
 * window (inclusive) and up to `asOf` (ms). A unit without events counts 0. `sources` are the flows that are looked at.
 */
export function unitTable(
  definition: ExperimentDefinition,
  sources: readonly AnalysisSource[],
  asOf: number,
  warn: (message: string) => void,
): ExposedUnits {
  const flows = sources.map(({ index }) => ({ index, view: index.view(definition.unit) }))
  const variants = definition.variants.map(({ key }) => key)
  const exposures = exposuresOf(definition.key, variants, definition.unit, flows, asOf)
  for (const stranger of [...exposures.strangers].slice(0, 10))
    warn(`units were exposed to ${JSON.stringify(stranger)}, which is no variant of this experiment`)
  const metrics = definition.metrics.map((metric) => emptyColumn(metric, exposures.size))
  let withoutValue = 0
  for (const [flow, { index, view }] of flows.entries())
    for (const [m, metric] of definition.metrics.entries())
      withoutValue += measure(metric, metrics[m]!, { index, view, flow, exposures, asOf, warn })
  if (withoutValue > 0) warn(`${withoutValue} events without a value add nothing to sums and means`)
  const { covariate } = definition
  return {
    table: {
      size: exposures.size,
      variant: exposures.variant,
      metrics,
      ...(covariate !== undefined && { covariate: covariateOf(covariate, flows, exposures, asOf, warn) }),
    },
    since: exposures.since,
    id: exposures.id,
  }
}

type Column = MetricColumn & { readonly numerator: Float64Array; readonly denominator?: Float64Array }

function emptyColumn({ type, winsorise }: ExperimentMetric, units: number): Column {
  return {
    numerator: new Float64Array(units),
    ...((type === 'mean' || type === 'ratio') && { denominator: new Float64Array(units) }),
    ...(winsorise !== undefined && { winsorise: { high: winsorise } }),
  }
}

interface Measured {
  readonly index: ColumnarIndex
  readonly view: View
  /** Which of the flows. */
  readonly flow: number
  readonly exposures: Exposures
  readonly asOf: number
  readonly warn: (message: string) => void
}

/** What is counted of an event that meets a filter. */
interface Tally {
  readonly filter: CompiledFilter
  /** ms from the first exposure */
  readonly window: number
  readonly add: (unit: number, row: number) => void
}

/** Adds one flow's events to a metric. Answers how many of them had no value where one was asked for. */
function measure(
  metric: ExperimentMetric,
  column: Column,
  { index, view, flow, exposures, asOf, warn }: Measured,
): number {
  const value = valueReader(index)
  let withoutValue = 0
  const sum = (row: number): number => {
    const found = value(row)
    if (Number.isNaN(found)) withoutValue += 1
    return Number.isNaN(found) ? 0 : found
  }
  const orOne = (row: number): number => {
    const found = value(row)
    return Number.isNaN(found) ? 1 : found
  }
  const tallies = talliesOf(metric, column, index, { sum, orOne })
  const filters = tallies.map(({ filter }) => filter)
  const { runs, codes, matches } = codeFilters(filters, index, view, asOf, warn)
  const place = exposures.places[flow]!
  for (const [r, { unit, start, stale, time, code }] of runs.entries()) {
    const { row } = view.runs[r]!
    for (let slot = 0; slot < unit.length; slot++) {
      const u = place[unit[slot]!]!
      if (u < 0 || stale?.[slot] || exposures.variant[u]! < 0) continue
      const since = exposures.since[u]!
      for (let i = start[slot]!; i < start[slot + 1]!; i++) {
        const at = time[i]!
        if (at < since) continue
        if (at > asOf) break
        for (let f = 0; f < tallies.length; f++)
          if (matches[f * codes + code[i]!] === 1 && at - since <= tallies[f]!.window)
            tallies[f]!.add(u, row[i]!)
      }
    }
  }
  return withoutValue
}

interface Values {
  /** The event's value, or 0. */
  readonly sum: (row: number) => number
  /** The event's value, or 1. */
  readonly orOne: (row: number) => number
}

function talliesOf(
  metric: ExperimentMetric,
  { numerator, denominator }: Column,
  index: ColumnarIndex,
  values: Values,
): Tally[] {
  const window =
    metric.window === undefined
      ? Number.POSITIVE_INFINITY
      : (parseDuration(metric.window, new Faults()) ?? Number.POSITIVE_INFINITY)
  const tally = (filter: ExperimentMetric['filter'], add: Tally['add']): Tally => {
    const faults = new Faults()
    const compiled = compileMetricFilter(filter, index, faults)
    if (!compiled) throw new Error(`a metric has faults: ${JSON.stringify(faults.list)}`)
    return { filter: compiled, window, add }
  }
  const { filter } = metric
  switch (metric.type) {
    case 'conversion':
      return [
        tally(filter, (unit) => {
          numerator[unit] = 1
        }),
      ]
    case 'count':
      return [
        tally(filter, (unit) => {
          numerator[unit]! += 1
        }),
      ]
    case 'sum':
      return [
        tally(filter, (unit, row) => {
          numerator[unit]! += values.sum(row)
        }),
      ]
    case 'mean':
      return [
        tally(filter, (unit, row) => {
          numerator[unit]! += values.sum(row)
          denominator![unit]! += 1
        }),
      ]
    case 'ratio':
      return [
        tally(filter, (unit, row) => {
          numerator[unit]! += values.orOne(row)
        }),
        tally(metric.denominator!, (unit, row) => {
          denominator![unit]! += values.orOne(row)
        }),
      ]
  }
}

/** The value of the signal at a row, NaN where it has none. */
function valueReader({ signalRow, signalValue }: ColumnarIndex): (row: number) => number {
  return (row) => {
    let low = 0
    let high = signalRow.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = signalRow.items[middle]!
      if (found === row) return signalValue.items[middle]!
      if (found < row) low = middle + 1
      else high = middle - 1
    }
    return Number.NaN
  }
}

/** The attribute as last known of each unit, over all flows; NaN where it is no number. */
function covariateOf(
  attribute: string,
  flows: readonly { readonly index: ColumnarIndex; readonly view: View }[],
  { size, places }: Exposures,
  asOf: number,
  warn: (message: string) => void,
): Float64Array {
  const known = new Float64Array(size).fill(Number.NaN)
  const knownAt = new Float64Array(size).fill(Number.NEGATIVE_INFINITY)
  for (const [flow, { index, view }] of flows.entries()) {
    const column = index.attributes.get(attribute)
    if (!column) continue
    const { session, time, code, dictionary } = column
    const numbers = dictionary.values.map(numberOf)
    const place = places[flow]!
    for (let i = 0; i < session.length; i++) {
      const from = session.items[i]!
      const unit = place[view.unitOf === null ? from : view.unitOf[from]!] ?? -1
      const at = time.items[i]!
      if (unit < 0 || at > asOf || at < knownAt[unit]!) continue
      const value = code.items[i]!
      known[unit] = value === MISSING ? Number.NaN : numbers[value]!
      knownAt[unit] = at
    }
  }
  if (size > 0 && known.every(Number.isNaN)) warn(`no exposed unit has a number as ${attribute}`)
  return known
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : Number.NaN
}
