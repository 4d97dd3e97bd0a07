import { envelope, type Outcome } from '../plan/envelope.ts'
import { Faults } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { endingOf } from './ending.ts'
import { failingFields } from './failingFields.ts'
import { histories } from './history.ts'
import { asOfOf } from './insightQuery.ts'
import { latestSessions } from './latestSessions.ts'
import { outOfOrder } from './outOfOrder.ts'
import { type Journey, stepOpportunities } from './stepOpportunities.ts'
import { stepVisits } from './stepVisits.ts'
import { weakSegments } from './weakSegments.ts'

/** Of more sessions than this the latest are looked at. */
const MOST_SESSIONS = 100_000

/**
 * Where a flow loses people and what could be won: steps, fields, order, segments, each with the query that shows it. `order` of the body
 * names the steps of the flow's latest version as they are looked at; steps beside them are placed by where they usually come.
 */
export function flowOpportunities(body: unknown, source: AnalysisSource): Outcome<object> {
  const began = performance.now()
  const { flowId, order = [], ...more } = body as { flowId: string; order?: readonly string[] }
  const faults = new Faults()
  const asOf = asOfOf(more, source, faults)
  if (faults.list.length > 0) return { faults: faults.list }
  const journeys: Journey[] = []
  const warnings: string[] = []
  const { only, sessions } = latestSessions(source.index, asOf, MOST_SESSIONS)
  if (only) warnings.push(`of ${sessions} sessions the ${only.size} that began last were looked at`)
  for (const { session, id, events } of histories(source.index, asOf, only)) {
    const { how } = endingOf(events, asOf)
    const { steps } = stepVisits(events)
    const visits = [...steps.values()].map(({ step, metAt, status, failures, fields, submissions }) => ({
      step,
      metAt,
      met: status !== 'open',
      failures,
      fields,
      submissions,
    }))
    journeys.push({ session, id, how, visits })
  }
  const ended = journeys.filter(({ how }) => how !== 'open')
  const completed = ended.filter(({ how }) => how === 'completed').length
  if (ended.length === 0)
    warnings.push('no session of this flow has ended yet: nothing can be told to be lost')
  const told: object = {
    flowId,
    sessions: {
      all: journeys.length,
      ended: ended.length,
      completed,
      completionRate: ended.length === 0 ? null : completed / ended.length,
    },
    ...stepOpportunities(journeys, flowId),
    fields: failingFields(journeys, flowId),
    outOfOrder: outOfOrder(journeys, order, flowId),
    segments: weakSegments(ended, source.index, flowId, asOf, (warning) => warnings.push(warning)),
  }
  const query = { flowId }
  const about = { query, asOf, position: source.index.position, began, warnings, exact: only === undefined }
  return { answer: { ...told, ...envelope(about) } }
}
