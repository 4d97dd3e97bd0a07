import type { View } from '../columns/columnarIndex.ts'
import type { EventCode } from '../columns/eventCodes.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import { planFunnel } from '../funnel/funnelPlan.ts'
import { type CheckedFunnel, checkFunnel } from '../funnel/funnelQuery.ts'
import { scanUnits } from '../funnel/scan.ts'
import { codeFilters } from '../plan/coding.ts'
import { type Envelope, envelope, type Outcome } from '../plan/envelope.ts'
import { Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter } from '../plan/filter.ts'
import type { AnalysisSource } from '../plan/source.ts'
import type { Interval } from '../statistics/interval.ts'
import { adjustP } from '../statistics/multipleTesting.ts'
import { oddsRatio } from '../statistics/oddsRatio.ts'

/** How the odds to convert differ between units with something and those without. */
export interface Driver {
  /** An attribute's key, or the event done between entry and the end of the chain. */
  readonly attribute?: string
  readonly event?: EventFilter
  /** The attribute's value; true of an event. */
  readonly value: unknown
  /** Units that have it and converted, or dropped. */
  readonly converted: number
  readonly dropped: number
  readonly oddsRatio: number
  readonly ci: Interval
  readonly p: number
  /** p after Benjamini & Hochberg over all candidates. */
  readonly q: number
}

/** An attribute is looked at by its most frequent values, and all in all this many candidates are. */
const MAX_VALUES = 50
const MAX_CANDIDATES = 500

/**
 * What goes with converting: attributes by value and events done on the way. Without `candidates` every attribute and every step and signal
 * that is not a step of the funnel is one. Units whose window is open count as neither converted nor dropped.
 */
export function funnelDrivers(
  body: unknown,
  source: AnalysisSource,
): Outcome<{ readonly data: readonly Driver[] }> {
  const began = performance.now()
  const { candidates, ...query } = (body ?? {}) as Record<string, unknown>
  const checked = checkFunnel(query, source)
  const faults = new Faults('', 'faults' in checked ? [...checked.faults] : [])
  const chosen =
    candidates === undefined ? undefined : checkCandidates(candidates, source, faults.at('candidates'))
  if ('faults' in checked || faults.list.length > 0) return { faults: faults.list }
  const { funnel } = checked
  const warnings = new Set<string>()
  const warn = (message: string) => warnings.add(message)
  const view = source.index.view(funnel.unit)
  const units = classify(funnel, source, warn)
  const { attributes, events } = chosen ?? everything(funnel, source)
  const found = [
    ...attributes.flatMap((key) => byAttribute(key, units, source, view, funnel.asOf, warn)),
    ...byEvent(events, units, source, view, funnel.asOf, warn),
  ].filter(({ converted, dropped }) => converted + dropped > 0 && converted + dropped < units.length)
  const [converted, dropped] = [count(units, true), count(units, false)]
  const tested = found.slice(0, MAX_CANDIDATES).map((candidate) => ({
    ...candidate,
    ...oddsRatio({
      with: candidate,
      without: { converted: converted - candidate.converted, dropped: dropped - candidate.dropped },
    }),
  }))
  if (found.length > MAX_CANDIDATES) warn(`of ${found.length} candidates ${MAX_CANDIDATES} are shown`)
  const q = adjustP(
    tested.map(({ p }) => p),
    'bh',
  )
  const data = tested.map((driver, i) => ({ ...driver, q: q[i]! })).sort((a, b) => a.q - b.q || a.p - b.p)
  const about = { query: body, asOf: funnel.asOf, position: source.index.position, began, warnings }
  return { answer: { data, ...envelope(about) } as { data: readonly Driver[] } & Envelope }
}

/** A unit that converted or dropped, and its stretch from entry to the end. */
interface Classified {
  readonly unit: number
  readonly converted: boolean
  readonly run: number
  readonly from: number
  readonly until: number
}

function classify(
  funnel: CheckedFunnel,
  source: AnalysisSource,
  warn: (message: string) => void,
): Classified[] {
  const { plan } = planFunnel({ ...funnel, breakdown: null }, source, warn)
  const units: Classified[] = []
  scanUnits(plan, ({ unit, run }, { depth, excluded, at, event }) => {
    const converted = depth === plan.steps
    const closes = at[0]! + plan.window
    const waiting = Number.isFinite(plan.window) && closes >= plan.asOf
    if (excluded || (!converted && waiting)) return
    const until = converted ? at[depth - 1]! : Math.min(closes, plan.asOf)
    units.push({ unit, converted, run, from: event[0]!, until })
  })
  return units
}

const count = (units: readonly Classified[], converted: boolean) =>
  units.reduce((sum, unit) => sum + (unit.converted === converted ? 1 : 0), 0)

type Found = Pick<Driver, 'attribute' | 'event' | 'value' | 'converted' | 'dropped'>

function byAttribute(
  attribute: string,
  units: readonly Classified[],
  { index }: AnalysisSource,
  view: View,
  asOf: number,
  warn: (message: string) => void,
): Found[] {
  const column = index.attributes.get(attribute)
  if (!column) return []
  const known = column.lastKnown(asOf, view.units, view.unitOf)
  const counts = new Map<number, [converted: number, dropped: number]>()
  for (const { unit, converted } of units) {
    const code = known[unit] ?? MISSING
    const cell = counts.get(code) ?? [0, 0]
    cell[converted ? 0 : 1] += 1
    counts.set(code, cell)
  }
  if (counts.size > MAX_VALUES) {
    warn(`${attribute} has ${counts.size} values; the ${MAX_VALUES} most frequent are candidates`)
  }
  return [...counts]
    .sort(([, a], [, b]) => b[0] + b[1] - a[0] - a[1])
    .slice(0, MAX_VALUES)
    .map(([code, [converted, dropped]]) => ({
      attribute,
      value: column.dictionary.value(code),
      converted,
      dropped,
    }))
}

function byEvent(
  filters: readonly CompiledFilter[],
  units: readonly Classified[],
  source: AnalysisSource,
  view: View,
  asOf: number,
  warn: (message: string) => void,
): Found[] {
  if (filters.length === 0) return []
  const { runs, codes, matches } = codeFilters(filters, source.index, view, asOf, warn)
  const found = filters.map(({ filter }) => ({ event: filter, value: true, converted: 0, dropped: 0 }))
  const done = Array.from({ length: codes }, (_, c) =>
    filters.flatMap((_, f) => (matches[f * codes + c] === 1 ? [f] : [])),
  )
  const last = new Int32Array(filters.length).fill(-1)
  for (const [n, { converted, run, from, until, unit }] of units.entries()) {
    const { code, time, start, unit: slots } = runs[run]!
    const slot = slotOf(slots, unit)
    for (let i = from + 1; i < start[slot + 1]! && time[i]! <= until; i++) {
      for (const f of done[code[i]!]!) {
        if (last[f] === n) continue
        last[f] = n
        found[f]![converted ? 'converted' : 'dropped'] += 1
      }
    }
  }
  return found
}

function slotOf(slots: Uint32Array, unit: number): number {
  let [low, high] = [0, slots.length - 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (slots[middle]! < unit) low = middle + 1
    else high = middle
  }
  return low
}

interface Chosen {
  readonly attributes: readonly string[]
  readonly events: readonly CompiledFilter[]
}

function checkCandidates(value: unknown, source: AnalysisSource, faults: Faults): Chosen {
  const attributes: string[] = []
  const events: CompiledFilter[] = []
  if (!Array.isArray(value) || value.length > MAX_CANDIDATES) {
    faults.add(`a list of up to ${MAX_CANDIDATES} of {attribute} and event filters is expected`)
    return { attributes, events }
  }
  const known = { index: source.index, steps: new Set(source.steps) }
  for (const [i, candidate] of value.entries()) {
    if (typeof candidate === 'object' && candidate !== null && 'attribute' in candidate) {
      if (typeof candidate.attribute === 'string') attributes.push(candidate.attribute)
      else faults.at(i, 'attribute').add('must be a string')
      continue
    }
    const filter = compileFilter(candidate, known, faults.at(i))
    if (filter) events.push(filter)
  }
  return { attributes, events }
}

function everything({ steps }: CheckedFunnel, { index }: AnalysisSource): Chosen {
  const own = new Set(steps.map(({ filter }) => JSON.stringify(kindOf(filter))))
  const events = index.codes.codes
    .flatMap((code) => (code.kind === 'event' ? [] : [filterOf(code)]))
    .filter((filter) => !own.has(JSON.stringify(kindOf(filter))))
    .map((filter) => ({ name: 'step' in filter ? filter.step : '', filter, where: null }))
  return { attributes: [...index.attributes.keys()], events: events.slice(0, MAX_CANDIDATES) }
}

const filterOf = ({ kind, name }: EventCode): EventFilter =>
  kind === 'step' ? { step: name } : { signal: name }

const kindOf = ({ where: _, name: __, ...kind }: EventFilter) => kind
