import { PropertyColumn } from '../columns/propertyColumn.ts'
import { MISSING } from '../columns/valueDictionary.ts'
import type { Fault } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { type FunnelOptions, type FunnelPlan, planFunnel } from './funnelPlan.ts'
import { checkFunnel } from './funnelQuery.ts'
import { eachUnit, type Place, scanUnits } from './scan.ts'
import { tablesOf } from './tables.ts'

/** How often each step was reached, with units that enter again counted again. */
export interface Totals {
  readonly entries: number
  readonly conversions: number
  readonly counts: readonly number[]
}

/** The counts of one value of a property. */
export interface ValueCounts {
  readonly value: unknown
  readonly counts: readonly number[]
}

/**
 * An ordered funnel that counts every time through it: a unit may enter again after it converted, after its window ran out, or after an
 * exclusion put it out. While it is in, further step-1 events do not count.
 */
export function funnelTotals(
  query: unknown,
  source: AnalysisSource,
): Totals | { readonly faults: readonly Fault[] } {
  const checked = checkFunnel(query, source)
  if ('faults' in checked) return checked
  const { plan } = planFunnel(checked.funnel, source, () => {})
  const counts = new Array<number>(plan.steps).fill(0)
  eachPass(plan, (_, depth) => {
    for (let step = 0; step < depth; step++) counts[step]! += 1
  })
  return { entries: counts[0]!, conversions: counts[plan.steps - 1]!, counts }
}

/** A funnel by the value that a property had in the entry event: of each unit's chain, or with `totals` of each pass. */
export function funnelByEntryProperty(
  query: unknown,
  source: AnalysisSource,
  { property, totals = false, ...options }: FunnelOptions & { property: string; totals?: boolean },
): readonly ValueCounts[] | { readonly faults: readonly Fault[] } {
  const checked = checkFunnel(query, source)
  if ('faults' in checked) return checked
  const { plan } = planFunnel(checked.funnel, source, () => {}, options)
  const { runs } = source.index.view(checked.funnel.unit)
  const column = source.index.properties.get(property) ?? new PropertyColumn()
  const codes = column.dense(source.index.events)
  const byCode = new Map<number, number[]>()
  const count = (place: Readonly<Place>, depth: number, entry: number) => {
    const code = codes[runs[place.run]!.row[entry]!] ?? MISSING
    const counts = byCode.get(code) ?? new Array<number>(plan.steps).fill(0)
    for (let step = 0; step < depth; step++) counts[step]! += 1
    byCode.set(code, counts)
  }
  if (totals) eachPass(plan, count)
  else scanUnits(plan, (place, out) => !out.excluded && count(place, out.depth, out.event[0]!))
  return [...byCode].map(([code, counts]) => ({ value: column.dictionary.value(code), counts }))
}

/** Walks every unit through the funnel again and again; `visit` gets the depth of each pass and the index of its entry. */
function eachPass(
  plan: FunnelPlan,
  visit: (place: Readonly<Place>, depth: number, entry: number) => void,
): void {
  const { steps, codes, match, exclude } = tablesOf(plan)
  const { window, exclusions, from, to } = plan
  eachUnit(plan, (place) => {
    const { code, time } = plan.coding.runs[place.run]!
    let depth = 0
    let entry = -1
    const leave = () => {
      visit(place, depth, entry)
      depth = 0
    }
    for (let i = place.from; i < place.to; i++) {
      const c = code[i]!
      if (depth > 0 && time[i]! - time[entry]! > window) leave()
      if (depth === 0) {
        if (match[c] !== 1 || time[i]! < from || time[i]! >= to) continue
        entry = i
        depth = 1
      } else if (match[depth * codes + c] === 1) {
        depth += 1
      } else if (
        exclusions.some((range, x) => range.from < depth && depth <= range.to && exclude[x * codes + c] === 1)
      ) {
        leave()
        continue
      }
      if (depth === steps) leave()
    }
    if (depth > 0) leave()
  })
}
