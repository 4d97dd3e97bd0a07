import { type Condition, compileCondition } from '../plan/condition.ts'
import { parseDuration, parseTime } from '../plan/duration.ts'
import type { Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter, type Known } from '../plan/filter.ts'

/** Who belongs to a segment: a CEL rule over attributes, or something done, put together by all, any and not. */
export type SegmentRule =
  | string
  | {
      readonly did: EventFilter
      /** times, at least; 1 when absent */
      readonly atLeast?: number
      /** ISO 8601 duration from the unit's first event, inclusive */
      readonly within?: string
      /** only from this time on */
      readonly since?: string
    }
  | { readonly all: readonly SegmentRule[] }
  | { readonly any: readonly SegmentRule[] }
  | { readonly not: SegmentRule }

export type CompiledRule =
  | { readonly is: Condition }
  | {
      readonly did: CompiledFilter
      readonly atLeast: number
      readonly within: number
      readonly since: number
    }
  | { readonly all: readonly CompiledRule[] }
  | { readonly any: readonly CompiledRule[] }
  | { readonly not: CompiledRule }

const MAX_DEPTH = 10
const MAX_PARTS = 50

/** Checks a rule and plans it, or tells its faults. */
export function compileRule(
  value: unknown,
  known: Known,
  faults: Faults,
  depth = 0,
): CompiledRule | undefined {
  if (typeof value === 'string') {
    const is = compileCondition(value, ['attributes'], faults)
    return is && { is }
  }
  if (depth > MAX_DEPTH) return faults.add(`rules are nested ${MAX_DEPTH} deep at most`)
  if (typeof value !== 'object' || value === null) return faults.add(EXPECTED)
  const rule = value as Record<string, unknown>
  if ('did' in rule) return compileDid(rule, known, faults)
  const [key, ...others] = Object.keys(rule)
  if (others.length > 0) return faults.add(EXPECTED)
  switch (key) {
    case 'not': {
      const not = compileRule(rule.not, known, faults.at('not'), depth + 1)
      return not && { not }
    }
    case 'all':
    case 'any': {
      const parts = rule[key]
      if (!Array.isArray(parts) || parts.length === 0 || parts.length > MAX_PARTS) {
        return faults.at(key).add(`a list of 1 to ${MAX_PARTS} rules is expected`)
      }
      const compiled = parts.map((part, i) => compileRule(part, known, faults.at(key, i), depth + 1))
      if (compiled.includes(undefined)) return undefined
      return (key === 'all' ? { all: compiled } : { any: compiled }) as CompiledRule
    }
    default:
      return faults.add(EXPECTED)
  }
}

const EXPECTED = 'a CEL rule, or {did}, {all}, {any} or {not} is expected'

function compileDid(rule: Record<string, unknown>, known: Known, faults: Faults): CompiledRule | undefined {
  const before = faults.list.length
  const did = compileFilter(rule.did, known, faults.at('did'))
  const atLeast = rule.atLeast ?? 1
  if (!Number.isSafeInteger(atLeast) || (atLeast as number) < 1) {
    faults.at('atLeast').add('must be a whole number from 1')
  }
  const within =
    rule.within === undefined ? Number.POSITIVE_INFINITY : parseDuration(rule.within, faults.at('within'))
  const since =
    rule.since === undefined ? Number.NEGATIVE_INFINITY : parseTime(rule.since, faults.at('since'))
  for (const key of Object.keys(rule)) {
    if (!['did', 'atLeast', 'within', 'since'].includes(key)) faults.at(key).add('unknown field')
  }
  if (faults.list.length > before) return undefined
  return { did: did!, atLeast: atLeast as number, within: within!, since: since! }
}
