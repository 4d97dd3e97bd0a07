import { compileCel } from '../../domain/cel.ts'
import { celValue } from '../../domain/celValues.ts'
import type { ExperimentDefinition } from '../../domain/experimentDefinition.ts'
import type { JsonObject } from '../../domain/json.ts'
import { ColumnarIndex } from '../columns/columnarIndex.ts'
import { parseDuration } from '../plan/duration.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter } from '../plan/filter.ts'

/** What is wrong with an experiment's filters, windows and targeting, with pointers into the body of `POST /experiments`. */
export function measurementFaults({ metrics, targeting }: ExperimentDefinition): readonly Fault[] {
  const faults = new Faults()
  const index = new ColumnarIndex()
  for (const [i, { filter, denominator, window }] of metrics.entries()) {
    const at = faults.at('metrics', i)
    compileMetricFilter(filter, index, at.at('filter'))
    if (denominator) compileMetricFilter(denominator, index, at.at('denominator'))
    if (window !== undefined) parseDuration(window, at.at('window'))
  }
  if (targeting !== undefined) {
    const compiled = compileCel(targeting, ATTRIBUTES)
    const at = faults.at('targeting')
    if (!('evaluate' in compiled)) for (const detail of compiled.faults) at.add(detail)
    else if (compiled.kind !== 'bool' && compiled.kind !== 'dyn') at.add('must result in a boolean')
  }
  return faults.list
}

const ATTRIBUTES = { attributes: { kind: 'map' } } as const

/** Whether a unit meets the targeting: true without one. What cannot be evaluated, a missing attribute say, fits nobody. */
export function isTargeted({ targeting }: ExperimentDefinition, attributes: JsonObject): boolean {
  if (targeting === undefined) return true
  const compiled = compileCel(targeting, ATTRIBUTES)
  if (!('evaluate' in compiled)) return false
  const outcome = compiled.evaluate({ attributes: celValue(attributes) })
  return 'value' in outcome && outcome.value === true
}

/**
 * A metric's filter. Other than in a funnel it may name a step that nobody has seen yet: an experiment is drafted before
 * there is anything to count.
 */
export function compileMetricFilter(
  filter: EventFilter,
  index: ColumnarIndex,
  faults: Faults,
): CompiledFilter | undefined {
  return compileFilter(filter, { index, steps: new Set('step' in filter ? [filter.step] : []) }, faults)
}
