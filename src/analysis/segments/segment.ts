import type { UnitKind } from '../columns/columnarIndex.ts'
import { type Envelope, envelope } from '../plan/envelope.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { ruleMask } from './evaluate.ts'
import { compileRule, type SegmentRule } from './segmentRule.ts'

/** Every fault of a rule; none when it can be saved. Pointers start at `pointer`. */
export function segmentFaults(rule: unknown, source: AnalysisSource, pointer = '/rule'): readonly Fault[] {
  const faults = new Faults(pointer)
  compileRule(rule, known(source), faults)
  return faults.list
}

export interface SegmentOptions {
  readonly unit?: UnitKind
  /** ms since 1970 UTC; the present when absent */
  readonly asOf?: number
}

export interface SegmentSize {
  readonly size: number
  /** Sizes at the end of each of the last days (UTC), the present last. */
  readonly series: readonly { readonly at: string; readonly size: number }[]
}

/** How many belong to the segment, now and at the end of each of the `days` days before. */
export function segmentSize(
  rule: SegmentRule,
  source: AnalysisSource,
  { unit = 'session', asOf = source.now, days = 30 }: SegmentOptions & { days?: number } = {},
): SegmentSize & Envelope {
  const began = performance.now()
  const warnings = new Set<string>()
  const compiled = compiledOf(rule, source)
  const sizeAt = (at: number) =>
    ruleMask(compiled, source, unit, at, (warning) => warnings.add(warning)).reduce(
      (sum, member) => sum + member,
      0,
    )
  const today = Math.floor(asOf / DAY) * DAY
  const ends = Array.from({ length: days }, (_, i) => today - (days - 1 - i) * DAY - 1)
  const series = [...ends, asOf].map((at) => ({ at: new Date(at).toISOString(), size: sizeAt(at) }))
  const size = series[series.length - 1]!.size
  const about = { query: { rule, unit }, asOf, position: source.index.position, began, warnings }
  return { size, series, ...envelope(about) }
}

/** The ids of the members, in the order they first appeared: `limit` of them after the unit numbered `after`. */
export function segmentMembers(
  rule: SegmentRule,
  source: AnalysisSource,
  {
    unit = 'session',
    asOf = source.now,
    after = -1,
    limit = 100,
  }: SegmentOptions & { after?: number; limit?: number } = {},
): {
  readonly members: readonly { readonly unit: number; readonly id: string }[]
  readonly next: number | null
} {
  const mask = ruleMask(compiledOf(rule, source), source, unit, asOf)
  const members: { unit: number; id: string }[] = []
  for (let u = after + 1; u < mask.length; u++) {
    if (!mask[u]) continue
    if (members.length === limit) return { members, next: members[limit - 1]!.unit }
    members.push({ unit: u, id: source.index.unitId(unit, u) })
  }
  return { members, next: null }
}

const DAY = 864e5

const known = (source: AnalysisSource) => ({ index: source.index, steps: new Set(source.steps) })

function compiledOf(rule: SegmentRule, source: AnalysisSource) {
  const faults = new Faults()
  const compiled = compileRule(rule, known(source), faults)
  if (!compiled) throw new Error(`a saved segment has faults: ${JSON.stringify(faults.list)}`)
  return compiled
}
