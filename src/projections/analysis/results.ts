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
import {
  funnelDays,
  funnelUnits,
  type ResultTable,
  retentionCells,
  segmentMembers,
  segmentSizes,
} from './resultTables.ts'
import type { Definition } from './state.ts'

export type Cell = string | number | boolean | null | readonly number[]

/** Rows of one table, without tenant and key, that take the place of those of `units`, or of all. */
export interface Replacement {
  readonly table: ResultTable
  /** By their numbers. */
  readonly units: readonly number[] | 'all'
  readonly rows: readonly (readonly Cell[])[]
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
  { kind, definition }: Definition,
  source: AnalysisSource,
  changed: Uint8Array | null,
): Result {
  switch (kind) {
    case 'funnel':
      return funnelResult(definition, source, changed)
    case 'retention':
      return retentionResult(definition, source)
    case 'segment':
      return segmentResult(definition as unknown as SegmentDefinition, source, changed)
  }
}

/** The unit kind that a definition counts. */
export const unitOf = (definition: object): 'session' | 'user' =>
  (definition as { unit?: unknown }).unit === 'user' ? 'user' : 'session'

function funnelResult(query: object, source: AnalysisSource, changed: Uint8Array | null): Result {
  // The same instant for the answer and for the rows beside it.
  const asked = { asOf: new Date(source.now).toISOString(), ...query }
  const outcome = queryFunnel(asked, source)
  const checked = checkFunnel(asked, source)
  if ('faults' in outcome) return outcome
  if ('faults' in checked) return checked
  const { funnel } = checked
  const { plan, values } = planFunnel(funnel, source, () => {})
  const rows: Cell[][] = []
  const days = new Map<number, Float64Array>()
  scanUnits(plan, ({ unit }, { depth, excluded, unclear, at }) => {
    const group = plan.groupOf === null ? 0 : plan.groupOf[unit]!
    const entered = at[0]!
    if (!excluded) {
      const day = Math.floor(entered / DAY)
      const cell = day * plan.groups + group
      const counts = days.get(cell) ?? new Float64Array(plan.steps)
      days.set(cell, counts)
      for (let step = 0; step < depth; step++) counts[step]! += 1
    }
    if (changed && !changed[unit]) return
    const id = source.index.unitId(funnel.unit, unit)
    const after = Array.from({ length: depth }, (_, step) => at[step]! - entered)
    const value = json(values[group])
    rows.push([unit, id, postgresTime(entered), depth, excluded, unclear, group, value, after])
  })
  const daily = [...days].flatMap(([cell, counts]) => {
    const group = modulo(cell, plan.groups)
    const day = postgresDay(((cell - group) / plan.groups) * DAY)
    return Array.from(counts, (count, step): Cell[] => [day, group, json(values[group]), step, count])
  })
  return {
    answer: outcome.answer,
    replacements: [
      { table: funnelUnits, units: numbersOf(changed), rows },
      { table: funnelDays, units: 'all', rows: daily },
    ],
  }
}

const DAY = 864e5
const modulo = (a: number, b: number) => ((a % b) + b) % b
const postgresTime = (ms: number) => postgresOfIso(new Date(ms).toISOString())
const postgresDay = (ms: number) => postgresTime(ms).replace(/T[\d:.]+Z/, '')
const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value))

function retentionResult(query: object, source: AnalysisSource): Result {
  const outcome = queryRetention(query, source)
  if ('faults' in outcome) return outcome
  const rows = outcome.answer.cohorts.flatMap(({ start, size, cells }) =>
    cells.map(({ period, returned, eligible, incomplete }): Cell[] => [
      start,
      period,
      size,
      returned,
      eligible,
      incomplete,
    ]),
  )
  return { answer: outcome.answer, replacements: [{ table: retentionCells, units: 'all', rows }] }
}

interface SegmentDefinition {
  readonly flowId: string
  readonly rule: SegmentRule
  readonly unit?: 'session' | 'user'
}

function segmentResult(
  definition: SegmentDefinition,
  source: AnalysisSource,
  changed: Uint8Array | null,
): Result {
  const { rule, unit = 'session' } = definition
  const faults = segmentFaults(rule, source)
  if (faults.length > 0) return { faults }
  const answer = { ...segmentSize(rule, source, { unit }), definitionHash: definitionHash(definition) }
  const mask = memberMask(rule, source, unit, source.now)
  const rows: Cell[][] = []
  for (let u = 0; u < mask.length; u++)
    if (mask[u] && (!changed || changed[u])) rows.push([u, source.index.unitId(unit, u)])
  return {
    answer,
    replacements: [
      { table: segmentMembers, units: numbersOf(changed), rows },
      {
        table: segmentSizes,
        units: 'all',
        rows: answer.series.map(({ at, size }) => [postgresOfIso(at), size]),
      },
    ],
  }
}

function numbersOf(changed: Uint8Array | null): readonly number[] | 'all' {
  if (!changed) return 'all'
  const numbers: number[] = []
  for (let unit = 0; unit < changed.length; unit++) if (changed[unit]) numbers.push(unit)
  return numbers
}
