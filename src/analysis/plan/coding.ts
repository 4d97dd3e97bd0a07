import type { ColumnarIndex, View } from '../columns/columnarIndex.ts'
import { sharedUint32 } from '../columns/growable.ts'
import type { LiveRun } from '../columns/runSet.ts'
import { type CompiledFilter, countedCodes, filterCodes } from './filter.ts'
import { rowCondition } from './rowConditions.ts'

/** The part of a run that queries scan. */
interface CodedRun {
  readonly unit: Uint32Array
  readonly start: Uint32Array
  readonly stale: Uint8Array | null
  readonly time: Float64Array
  /** Kinds of event, told apart as far as the query's filters do. */
  readonly code: Uint32Array
}

/**
 * The filters of a query resolved to codes: whether filter f matches an event of code c is `matches[f × codes + c]`. Where a filter has
 * a condition, events of one kind that meet different conditions get different codes, so that scanning knows no conditions.
 * Made of numbers and shared arrays only: a worker thread can take it.
 */
export interface Coding {
  readonly runs: readonly CodedRun[]
  readonly codes: number
  /** 1 where an event of that code counts as an event. */
  readonly counted: Uint8Array
  readonly matches: Uint8Array
  /** Events of each code, at most. */
  readonly counts: Float64Array
}

/** Resolves filters against a view of the index. */
export function codeFilters(
  filters: readonly CompiledFilter[],
  index: ColumnarIndex,
  view: View,
  asOf: number,
  warn: (message: string) => void,
): Coding {
  const { codes } = index.codes
  const counted = countedCodes(filters, codes)
  const possible = filters.map(({ filter }) => filterCodes(filter, codes, counted))
  const conditional = filters.flatMap(({ where, name }, filter) => {
    if (!where) return []
    const holds = rowCondition(where, index, asOf, (message) => warn(`the condition of ${name}: ${message}`))
    return [{ filter, holds }]
  })
  const variants: { code: number; met: number[] }[] = codes.map((_, code) => ({ code, met: [] }))
  const runs =
    conditional.length === 0
      ? view.runs
      : view.runs.map((run) => recode(run, possible, conditional, variants))
  const matches = new Uint8Array(filters.length * variants.length)
  for (const [filter, { where }] of filters.entries()) {
    for (const [variant, { code, met }] of variants.entries()) {
      const match = possible[filter]![code] === 1 && (!where || met.includes(filter))
      if (match) matches[filter * variants.length + variant] = 1
    }
  }
  return {
    runs: runs.map(({ unit, start, stale, time, code }) => ({ unit, start, stale, time, code })),
    codes: variants.length,
    counted: Uint8Array.from(variants, ({ code }) => counted[code]!),
    matches,
    counts: Float64Array.from(variants, ({ code }) => index.codes.counts.items[code]!),
  }
}

interface Conditional {
  readonly filter: number
  readonly holds: (row: number, session: number) => boolean
}

/** Gives each event the variant of its code for the conditions it meets; `variants` grows with those not seen yet. */
function recode(
  run: LiveRun,
  possible: readonly Uint8Array[],
  conditional: readonly Conditional[],
  variants: { code: number; met: number[] }[],
): LiveRun {
  const code = sharedUint32(run.code.length)
  code.set(run.code)
  const numbers = new Map(variants.map(({ code, met }, number) => [`${code}:${met}`, number]))
  for (let slot = 0; slot < run.unit.length; slot++) {
    if (run.stale?.[slot]) continue
    for (let i = run.start[slot]!; i < run.start[slot + 1]!; i++) {
      const original = run.code[i]!
      const session = run.session ? run.session[i]! : run.unit[slot]!
      const met = conditional
        .filter(({ filter, holds }) => possible[filter]![original] === 1 && holds(run.row[i]!, session))
        .map(({ filter }) => filter)
      if (met.length === 0) continue
      const key = `${original}:${met}`
      let number = numbers.get(key)
      if (number === undefined) {
        number = variants.push({ code: original, met }) - 1
        numbers.set(key, number)
      }
      code[i] = number
    }
  }
  return { ...run, code }
}
