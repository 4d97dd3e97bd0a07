import type { UnitKind, View } from '../columns/columnarIndex.ts'
import { sharedInt32 } from '../columns/growable.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import { memberMask } from '../segments/evaluate.ts'
import type { Faults } from './fault.ts'
import type { AnalysisSource } from './source.ts'

export type Breakdown = { readonly attribute: string } | { readonly segment: string }

/** Which group each unit belongs to, −1 for units left out; and what the groups stand for. */
export interface Groups {
  readonly of: Int32Array
  readonly values: readonly unknown[]
}

export function checkBreakdown(
  value: unknown,
  source: AnalysisSource,
  faults: Faults,
): Breakdown | undefined {
  const object = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const keys = Object.keys(object)
  if (keys.length !== 1 || (keys[0] !== 'attribute' && keys[0] !== 'segment')) {
    return faults.add('either {attribute} or {segment} is expected')
  }
  const key = keys[0]
  if (typeof object[key] !== 'string' || object[key] === '') return faults.at(key).add('must be a string')
  if (key === 'attribute') return { attribute: object[key] }
  const segment = checkSegment(object[key], source, faults.at('segment'))
  return segment === undefined ? undefined : { segment }
}

export function checkSegment(value: unknown, source: AnalysisSource, faults: Faults): string | undefined {
  if (typeof value !== 'string') return faults.add('must be a string')
  if (!source.segments.has(value)) return faults.add(`there is no segment ${value}`)
  return value
}

/** The groups of a breakdown. A missing attribute is the group null. */
export function groupsOf(breakdown: Breakdown, source: AnalysisSource, view: View, asOf: number): Groups {
  if ('segment' in breakdown) {
    const mask = memberMask(source.segments.get(breakdown.segment)!, source, view.unit, asOf)
    const of = sharedInt32(view.units)
    of.set(mask)
    return { of, values: [false, true] }
  }
  const column = source.index.attributes.get(breakdown.attribute)
  const of = sharedInt32(view.units)
  if (!column) return { of, values: [null] }
  const known = column.lastKnown(asOf, view.units, view.unitOf)
  const missing = column.dictionary.values.length
  for (let unit = 0; unit < view.units; unit++) {
    const code = known[unit]!
    of[unit] = code === MISSING ? missing : code
  }
  return { of, values: [...column.dictionary.values, null] }
}

/** 1 for each unit of the segment, or null where there is none to restrict to. */
export function segmentMask(
  segment: string | undefined,
  source: AnalysisSource,
  unit: UnitKind,
  asOf: number,
): Uint8Array | null {
  if (segment === undefined) return null
  return memberMask(source.segments.get(segment)!, source, unit, asOf)
}
