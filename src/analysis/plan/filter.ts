import { sessionEventSchemas } from '../../domain/sessionEvents.ts'
import type { ColumnarIndex } from '../columns/columnarIndex.ts'
import type { EventCode } from '../columns/eventCodes.ts'
import { type Condition, compileCondition } from './condition.ts'
import type { Faults } from './fault.ts'

/** Which events count: a step completed, a signal, events of a type, or any that counts as an event. */
export type EventFilter = FilterKind & { readonly where?: string; readonly name?: string }

type FilterKind =
  | { readonly step: string }
  | { readonly signal: string }
  | { readonly event: string }
  | { readonly any: true }

/** A filter checked and planned, not yet bound to the codes of an index. */
export interface CompiledFilter {
  readonly name: string
  readonly filter: EventFilter
  readonly where: Condition | null
}

/** What there is to know of a flow when its filters are checked. */
export interface Known {
  readonly index: ColumnarIndex
  /** The step ids of all versions of the flow. */
  readonly steps: ReadonlySet<string>
}

/** Checks a filter. A step that neither the flow nor its log knows, or an event type that does not exist, is a fault. */
export function compileFilter(value: unknown, known: Known, faults: Faults): CompiledFilter | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return faults.add('an event filter is expected: {step}, {signal}, {event} or {any: true}')
  }
  const filter = value as Record<string, unknown>
  const before = faults.list.length
  const kinds = KINDS.filter((kind) => kind in filter)
  const [kind] = kinds
  if (kinds.length !== 1 || kind === undefined) {
    faults.add('exactly one of step, signal, event and any is expected')
  } else if (kind === 'any') {
    if (filter.any !== true) faults.at('any').add('must be true')
  } else {
    checkName(kind, filter[kind], known, faults.at(kind))
  }
  for (const key of Object.keys(filter)) {
    if (!KINDS.includes(key as Kind) && key !== 'where' && key !== 'name') faults.at(key).add('unknown field')
  }
  if (filter.name !== undefined && typeof filter.name !== 'string') faults.at('name').add('must be a string')
  const where =
    filter.where === undefined
      ? null
      : compileCondition(filter.where, ['properties', 'attributes', 'value'], faults.at('where'))
  if (faults.list.length > before || where === undefined) return undefined
  const name = (filter.name ?? (kind === 'any' ? 'any' : filter[kind as Kind])) as string
  return { name, filter: filter as EventFilter, where }
}

const KINDS = ['step', 'signal', 'event', 'any'] as const
type Kind = (typeof KINDS)[number]

function checkName(kind: Kind, name: unknown, { index, steps }: Known, faults: Faults): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > 200) {
    faults.add('must be a string of 1 to 200 characters')
  } else if (kind === 'step' && !steps.has(name) && index.codes.find('step', name) === undefined) {
    faults.add(`neither the flow nor its log has a step ${name}`)
  } else if (
    kind === 'event' &&
    !(name in sessionEventSchemas) &&
    index.codes.find('event', name) === undefined
  ) {
    faults.add(`there is no event type ${name}`)
  }
}

/**
 * What counts as an event in a query, by code: completed steps, signals and whatever one of its filters names. Bookkeeping of the
 * session, attributes and exposures do not unless named.
 */
export function countedCodes(filters: readonly CompiledFilter[], codes: readonly EventCode[]): Uint8Array {
  const named = new Set(filters.map(({ filter }) => ('event' in filter ? filter.event : '')))
  return Uint8Array.from(codes, ({ kind, name }) => (kind !== 'event' || named.has(name) ? 1 : 0))
}

/** The codes that a filter may match, its condition aside. */
export function filterCodes(
  filter: EventFilter,
  codes: readonly EventCode[],
  counted: Uint8Array,
): Uint8Array {
  return Uint8Array.from(codes, ({ kind, name }, code) => {
    if ('step' in filter) return kind === 'step' && name === filter.step ? 1 : 0
    if ('signal' in filter) return kind === 'signal' && name === filter.signal ? 1 : 0
    if ('any' in filter) return counted[code]!
    if (filter.event === 'StepCompleted') return kind === 'step' ? 1 : 0
    if (filter.event === 'SignalTracked') return kind === 'signal' ? 1 : 0
    return kind === 'event' && name === filter.event ? 1 : 0
  })
}
