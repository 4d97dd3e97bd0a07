import { type Outcome as Answered, type Envelope, envelope } from '../plan/envelope.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { evaluatorOf } from './evaluator.ts'
import { type FunnelPlan, planFunnel } from './funnelPlan.ts'
import { type CheckedFunnel, checkFunnel } from './funnelQuery.ts'
import { Outcome } from './outcome.ts'
import { eachUnit, type Place } from './scan.ts'
import { type StoppedBy, stoppedBy } from './stoppedBy.ts'

/** An event of the log: by its session and place in the session's stream, from which its id is read. */
interface MatchedEvent {
  readonly sessionId: string
  readonly revision: number
  readonly type: string
  /** ISO 8601 */
  readonly at: string
}

export interface Explanation {
  readonly unitId: string
  /** Steps reached, before any exclusion. */
  readonly reached: number
  readonly excluded: boolean
  readonly steps: readonly { readonly name: string; readonly event: MatchedEvent | null }[]
  /** null for who reached the last step and was not excluded */
  readonly stoppedBy: StoppedBy | null
}

/** Why one unit got as far in a funnel as it did. A unit that the flow does not know is a fault. */
export function explainFunnel(body: unknown, source: AnalysisSource): Answered<Explanation> {
  const began = performance.now()
  const { unitId, ...query } = (body ?? {}) as Record<string, unknown>
  const checked = checkFunnel(query, source)
  const faults = 'faults' in checked ? [...checked.faults] : []
  if (typeof unitId !== 'string') faults.push({ pointer: '/unitId', detail: 'must be a string' })
  if ('faults' in checked || typeof unitId !== 'string') return { faults }
  const { funnel } = checked
  const unit = source.index.unit(funnel.unit, unitId)
  if (unit === undefined) {
    return { faults: [{ pointer: '/unitId', detail: `there is no ${funnel.unit} ${unitId}` }] }
  }
  const warnings = new Set<string>()
  const { plan } = planFunnel({ ...funnel, breakdown: null }, source, (message) => warnings.add(message))
  const place = placeOf(plan, unit)
  const outcome = new Outcome(plan.steps)
  if (place) {
    const { code, time } = plan.coding.runs[place.run]!
    evaluatorOf(plan)(code, time, place.from, place.to, outcome)
  }
  const answer: Explanation & Envelope = {
    unitId,
    reached: outcome.depth,
    excluded: outcome.excluded,
    steps: funnel.steps.map(({ name }, step) => ({
      name: funnel.order === 'unordered' ? `${step + 1} of ${plan.steps} steps` : name,
      event: place && step < outcome.depth ? matched(source, funnel, place, outcome.event[step]!) : null,
    })),
    stoppedBy: place
      ? stoppedBy(funnel, plan, place, outcome)
      : { rule: 'segment', step: null, index: null, detail: 'not in the segment' },
    ...envelope({ query: body, asOf: funnel.asOf, position: source.index.position, began, warnings }),
  }
  return { answer }
}

function placeOf(plan: FunnelPlan, unit: number): Place | undefined {
  let found: Place | undefined
  eachUnit(plan, (place) => {
    if (place.unit === unit) found = { ...place }
  })
  return found
}

function matched(source: AnalysisSource, funnel: CheckedFunnel, place: Place, i: number): MatchedEvent {
  const run = source.index.view(funnel.unit).runs[place.run]!
  const session = run.session ? run.session[i]! : place.unit
  return {
    sessionId: source.index.sessions.text(session),
    revision: run.revision[i]!,
    type: source.index.codes.type(run.code[i]!),
    at: new Date(run.time[i]!).toISOString(),
  }
}
