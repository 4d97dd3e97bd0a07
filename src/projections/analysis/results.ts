import { MAX_GROUPS } from '../../analysis/funnel/breakdown.ts'
import { queryFunnel } from '../../analysis/funnel/funnel.ts'
import { planFunnel } from '../../analysis/funnel/funnelPlan.ts'
import { checkFunnel } from '../../analysis/funnel/funnelQuery.ts'
import { scanUnits } from '../../analysis/funnel/scan.ts'
import { definitionHash, type Envelope } from '../../analysis/plan/envelope.ts'
import type { Fault } from '../../analysis/plan/fault.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'
import { queryRetention } from '../../analysis/retention/retention.ts'
import { memberMask } from '../../analysis/segments/evaluate.ts'
import { segmentFaults, segmentSize } from '../../analysis/segments/segment.ts'
import type { SegmentRule } from '../../analysis/segments/segmentRule.ts'
import { postgresOfIso } from '../postgresTime.ts'
import { type Cell, CopyText, copyText } from './copyText.ts'
import {
  funnelDays,
  funnelUnits,
  type ResultTable,
  retentionCells,
  segmentMembers,
  segmentSizes,
} from './resultTables.ts'
import type { Definition } from './state.ts'

/** Rows of one table, as text for COPY, that take the place of those of `units`, or of all. */
export interface Replacement {
  readonly table: ResultTable
  /** By their numbers. */
  readonly units: readonly number[] | 'all'
  readonly rows: readonly string[]
}

export type Result =
  | {
      readonly answer: Envelope
      readonly replacements: readonly Replacement[]
    }
  | { readonly faults: readonly Fault[] }

/**
 * Everything that is kept of a definition, as of now. `changed` marks the units that may have changed since the rows were last
 * written, so that only theirs are written again; null when all may have.
 */
export function resultOf(
  tenant: string,
  { kind, key, definition }: Definition,
  source: AnalysisSource,
  changed: Uint8Array | null,
): Result {
  switch (kind) {
    case 'funnel':
      return funnelResult([tenant, key], definition, source, changed)
    case 'retention':
      return retentionResult([tenant, key], definition, source)
    case 'segment':
      return segmentResult([tenant, key], definition as unknown as SegmentDefinition, source, changed)
  }
}

/** The unit kind that a definition counts. */
export const unitOf = (definition: object): 'session' | 'user' =>
  (definition as { unit?: unknown }).unit === 'user' ? 'user' : 'session'

/** Tenant and key: every row begins with them. */
type Owner = readonly [tenant: string, key: string]

function funnelResult(
  owner: Owner,
  query: object,
  source: AnalysisSource,
  changed: Uint8Array | null,
): Result {
  // The same instant for the answer and for the rows beside it.
  const asked = { asOf: new Date(source.now).toISOString(), ...query }
  const outcome = queryFunnel(asked, source)
  const checked = checkFunnel(asked, source)
  if ('faults' in outcome) return outcome
  if ('faults' in checked) return checked
  const { funnel } = checked
  const { plan, values } = planFunnel(funnel, source, () => {})
  const rows = new CopyText()
  const shown = shownGroups(values, outcome.answer.breakdowns)
  const days = new Map<number, Float64Array>()
  scanUnits(plan, ({ unit }, { depth, excluded, unclear, at }) => {
    const group = plan.groupOf === null ? 0 : plan.groupOf[unit]!
    const entered = at[0]!
    if (!excluded) {
      const day = Math.floor(entered / DAY)
      const cell = day * plan.groups + (shown.of[group] ?? group)
      const counts = days.get(cell) ?? new Float64Array(plan.steps)
      days.set(cell, counts)
      for (let step = 0; step < depth; step++) counts[step]! += 1
    }
    if (changed && !changed[unit]) return
    const id = source.index.unitId(funnel.unit, unit)
    const after = Array.from({ length: depth }, (_, step) => at[step]! - entered)
    const value = json(values[group])
    rows.add([
      ...owner,
      unit,
      id,
      postgresTime(entered),
      depth,
      excluded,
      unclear,
      numberOf(values, group),
      value,
      after,
    ])
  })
  const daily = [...days].flatMap(([cell, counts]): Cell[][] => {
    const group = modulo(cell, plan.groups)
    const day = postgresDay(((cell - group) / plan.groups) * DAY)
    const value = group === shown.others ? null : json(values[group])
    return Array.from(counts, (count, step) => [...owner, day, numberOf(values, group), value, step, count])
  })
  return {
    answer: outcome.answer,
    replacements: [
      { table: funnelUnits, units: numbersOf(changed), rows: rows.finish() },
      { table: funnelDays, units: 'all', rows: copyText(daily) },
    ],
  }
}

/** Of more values than are shown the daily totals of the others are put together, under the number of the first of them. */
function shownGroups(
  values: readonly unknown[],
  breakdowns: readonly { readonly value: unknown }[],
): { readonly of: readonly number[]; readonly others: number } {
  if (values.length <= MAX_GROUPS) return { of: [], others: -1 }
  const shown = new Set(breakdowns.map(({ value }) => json(value)))
  const others = values.findIndex((value) => !shown.has(json(value)))
  return { of: values.map((value, group) => (shown.has(json(value)) ? group : others)), others }
}

/** The group of a missing value comes last, and its number would change with each new value: rows that stay call it −1. */
const numberOf = (values: readonly unknown[], group: number) => (values[group] === null ? -1 : group)

const DAY = 864e5
const modulo = (a: number, b: number) => ((a % b) + b) % b
const postgresTime = (ms: number) => postgresOfIso(new Date(ms).toISOString())
const postgresDay = (ms: number) => postgresTime(ms).replace(/T[\d:.]+Z/, '')
const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value))

function retentionResult(owner: Owner, query: object, source: AnalysisSource): Result {
  const outcome = queryRetention(query, source)
  if ('faults' in outcome) return outcome
  const rows = outcome.answer.cohorts.flatMap(({ start, size, cells }) =>
    cells.map(({ period, returned, eligible, incomplete }): Cell[] => [
      ...owner,
      start,
      period,
      size,
      returned,
      eligible,
      incomplete,
    ]),
  )
  return {
    answer: outcome.answer,
    replacements: [{ table: retentionCells, units: 'all', rows: copyText(rows) }],
  }
}

interface SegmentDefinition {
  readonly flowId: string
  readonly rule: SegmentRule
  readonly unit?: 'session' | 'user'
}

function segmentResult(
  owner: Owner,
  definition: SegmentDefinition,
  source: AnalysisSource,
  changed: Uint8Array | null,
): Result {
  const { rule, unit = 'session' } = definition
  const faults = segmentFaults(rule, source)
  if (faults.length > 0) return { faults }
  const answer = { ...segmentSize(rule, source, { unit }), definitionHash: definitionHash(definition) }
  const mask = memberMask(rule, source, unit, source.now)
  const rows = new CopyText()
  for (let u = 0; u < mask.length; u++)
    if (mask[u] && (!changed || changed[u])) rows.add([...owner, u, source.index.unitId(unit, u)])
  const sizes = answer.series.map(({ at, size }) => [...owner, postgresOfIso(at), size])
  return {
    answer,
    replacements: [
      { table: segmentMembers, units: numbersOf(changed), rows: rows.finish() },
      { table: segmentSizes, units: 'all', rows: copyText(sizes) },
    ],
  }
}

function numbersOf(changed: Uint8Array | null): readonly number[] | 'all' {
  if (!changed) return 'all'
  const numbers: number[] = []
  for (let unit = 0; unit < changed.length; unit++) if (changed[unit]) numbers.push(unit)
  return numbers
}
