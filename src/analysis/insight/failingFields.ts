import type { Interval } from '../statistics/interval.ts'
import { wilson } from '../statistics/twoProportions.ts'
import type { Journey, ReadyQuery } from './stepOpportunities.ts'

export interface FailingField {
  readonly stepId: string
  /** JSON pointer into the submission. */
  readonly pointer: string
  /** Submissions that failed at this field. */
  readonly failures: number
  /** Sessions in which it failed, and how many of them never met the step. */
  readonly sessions: number
  readonly neverMet: number
  /** Share of all submissions of the step. */
  readonly failureRate: number
  readonly ci: Interval
  readonly query: ReadyQuery
}

const MOST = 20

/** The fields that fail most, by how many submissions they turned away. */
export function failingFields(journeys: readonly Journey[], flowId: string): FailingField[] {
  const tried = new Map<string, number>()
  const found = new Map<
    string,
    { step: string; pointer: string; failures: number; sessions: number; neverMet: number }
  >()
  for (const { visits } of journeys) {
    for (const { step, submissions, failures, fields, metAt } of visits) {
      tried.set(step, (tried.get(step) ?? 0) + submissions + failures)
      for (const [pointer, count] of fields) {
        const key = `${step}\u0000${pointer}`
        const field = found.get(key) ?? { step, pointer, failures: 0, sessions: 0, neverMet: 0 }
        found.set(key, field)
        field.failures += count
        field.sessions += 1
        if (metAt === null) field.neverMet += 1
      }
    }
  }
  return [...found.values()]
    .sort((a, b) => b.failures - a.failures || b.sessions - a.sessions)
    .slice(0, MOST)
    .map(({ step, ...field }) => {
      const n = tried.get(step)!
      return {
        stepId: step,
        ...field,
        failureRate: field.failures / n,
        ci: wilson({ x: field.failures, n }),
        query: queryOf(flowId, step, field.pointer),
      }
    })
}

/** Who failed at the field, and how many of them then got through the step. */
function queryOf(flowId: string, step: string, pointer: string): ReadyQuery {
  const where = `properties.stepId == ${JSON.stringify(step)} && properties.errors.exists(e, e.pointer == ${JSON.stringify(pointer)})`
  const steps = [{ event: 'StepValidationFailed', where }, { step }]
  return { path: '/analytics/funnels/query', body: { flowId, steps, unit: 'session' } }
}
