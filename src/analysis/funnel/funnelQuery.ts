import type { UnitKind } from '../columns/columnarIndex.ts'
import { parseDuration, parseTime } from '../plan/duration.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter } from '../plan/filter.ts'
import { type Breakdown, checkBreakdown, checkSegment } from '../plan/groups.ts'
import type { AnalysisSource } from '../plan/source.ts'

export type FunnelOrder = 'ordered' | 'strict' | 'unordered'
export type FunnelEntry = 'first' | 'any'
export type FunnelTies = 'recorded' | 'any'

/** A funnel as it is asked for. */
export interface FunnelQuery {
  readonly flowId?: string
  readonly steps: readonly EventFilter[]
  readonly order?: FunnelOrder
  readonly entry?: FunnelEntry
  /** ISO 8601 duration from the entry event, inclusive; without one it never closes */
  readonly window?: string
  readonly ties?: FunnelTies
  readonly exclusions?: readonly {
    readonly filter: EventFilter
    readonly from: number
    readonly to: number
  }[]
  /** bounds of the entry event: from inclusive, to exclusive */
  readonly from?: string
  readonly to?: string
  readonly breakdown?: Breakdown
  readonly segment?: string
  readonly unit?: UnitKind
  readonly asOf?: string
}

/** The same, checked and with everything said. Times in ms, what is absent is ±∞. */
export interface CheckedFunnel {
  readonly steps: readonly CompiledFilter[]
  readonly order: FunnelOrder
  readonly entry: FunnelEntry
  readonly ties: FunnelTies
  readonly window: number
  readonly exclusions: readonly {
    readonly filter: CompiledFilter
    readonly from: number
    readonly to: number
  }[]
  readonly from: number
  readonly to: number
  readonly breakdown: Breakdown | null
  readonly segment: string | undefined
  readonly unit: UnitKind
  readonly asOf: number
}

const MAX_STEPS = 50
const MAX_EXCLUSIONS = 20

/** Checks a funnel; `extra` names further fields that the caller reads itself. */
export function checkFunnel(
  value: unknown,
  source: AnalysisSource,
  extra: readonly string[] = [],
): { readonly funnel: CheckedFunnel } | { readonly faults: readonly Fault[] } {
  const faults = new Faults()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.add('a funnel is expected')
    return { faults: faults.list }
  }
  const query = value as Record<string, unknown>
  for (const key of Object.keys(query)) {
    if (!FIELDS.has(key) && !extra.includes(key)) faults.at(key).add('unknown field')
    else if (query[key] === null) faults.at(key).add('must not be null; leave the field out')
  }
  const order = oneOf(query.order, ['ordered', 'strict', 'unordered'] as const, faults.at('order'))
  const time = (key: 'from' | 'to' | 'asOf', otherwise: number) =>
    query[key] === undefined ? otherwise : (parseTime(query[key], faults.at(key)) ?? otherwise)
  const funnel: CheckedFunnel = {
    steps: checkSteps(query.steps, source, faults.at('steps')),
    order,
    entry: oneOf(query.entry, ['first', 'any'] as const, faults.at('entry')),
    ties: oneOf(query.ties, ['recorded', 'any'] as const, faults.at('ties')),
    window:
      query.window === undefined
        ? Number.POSITIVE_INFINITY
        : (parseDuration(query.window, faults.at('window')) ?? Number.POSITIVE_INFINITY),
    exclusions: checkExclusions(query, order, source, faults.at('exclusions')),
    from: time('from', Number.NEGATIVE_INFINITY),
    to: time('to', Number.POSITIVE_INFINITY),
    breakdown:
      query.breakdown === undefined
        ? null
        : (checkBreakdown(query.breakdown, source, faults.at('breakdown')) ?? null),
    segment:
      query.segment === undefined ? undefined : checkSegment(query.segment, source, faults.at('segment')),
    unit: oneOf(query.unit, ['session', 'user'] as const, faults.at('unit')),
    asOf: time('asOf', source.now),
  }
  if (funnel.to <= funnel.from) faults.at('to').add('must be after from')
  return faults.list.length > 0 ? { faults: faults.list } : { funnel }
}

const FIELDS = new Set(
  'flowId steps order entry window ties exclusions from to breakdown segment unit asOf'.split(' '),
)

/** The value where it is one of those allowed; absent, the first of them. */
export function oneOf<const T extends string>(value: unknown, allowed: readonly T[], faults: Faults): T {
  if (value === undefined) return allowed[0]!
  if (!allowed.includes(value as T)) faults.add(`must be one of ${allowed.join(', ')}`)
  return value as T
}

function checkSteps(value: unknown, source: AnalysisSource, faults: Faults): CompiledFilter[] {
  if (!Array.isArray(value) || value.length === 0) {
    faults.add('a list of event filters is expected')
    return []
  }
  if (value.length > MAX_STEPS) {
    faults.add(`a funnel has at most ${MAX_STEPS} steps, this one has ${value.length}`)
    return []
  }
  const known = { index: source.index, steps: new Set(source.steps) }
  return value.map((step, i) => compileFilter(step, known, faults.at(i))!)
}

function checkExclusions(
  query: Record<string, unknown>,
  order: FunnelOrder,
  source: AnalysisSource,
  faults: Faults,
): CheckedFunnel['exclusions'] {
  const list = query.exclusions
  if (list === undefined) return []
  if (!Array.isArray(list) || list.length > MAX_EXCLUSIONS) {
    faults.add(`a list of up to ${MAX_EXCLUSIONS} exclusions is expected`)
    return []
  }
  if (list.length > 0 && order !== 'ordered') faults.add('exclusions go with order: ordered only')
  const known = { index: source.index, steps: new Set(source.steps) }
  const steps = Array.isArray(query.steps) ? query.steps.length : 0
  return list.map((item, i) => {
    const exclusion = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    const at = faults.at(i)
    for (const key of Object.keys(exclusion)) {
      if (!['filter', 'from', 'to'].includes(key)) at.at(key).add('unknown field')
    }
    const index = (key: 'from' | 'to') => {
      const place = exclusion[key]
      if (Number.isInteger(place) && (place as number) >= 0 && (place as number) < steps)
        return place as number
      at.at(key).add(`must be the index of a step, 0 to ${steps - 1}`)
      return Number.NaN
    }
    const [from, to] = [index('from'), index('to')]
    if (from >= to) at.at('to').add('must be after from')
    return { filter: compileFilter(exclusion.filter, known, at.at('filter'))!, from, to }
  })
}
