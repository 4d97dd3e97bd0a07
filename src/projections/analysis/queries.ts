import { funnelDrivers } from '../../analysis/drivers/drivers.ts'
import { type Explanation, explainFunnel } from '../../analysis/funnel/explain.ts'
import { prepareFunnel } from '../../analysis/funnel/funnel.ts'
import { checkFunnel } from '../../analysis/funnel/funnelQuery.ts'
import { timeToConvert } from '../../analysis/funnel/timeToConvert.ts'
import { flowDifficulties, sessionBehavior } from '../../analysis/insight/behavior.ts'
import { flowOpportunities } from '../../analysis/insight/opportunities.ts'
import { predictSession, trainOnFlow } from '../../analysis/insight/prediction.ts'
import { queryPaths } from '../../analysis/paths/paths.ts'
import type { Envelope, Outcome } from '../../analysis/plan/envelope.ts'
import type { Fault } from '../../analysis/plan/fault.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'
import { prepareRetention } from '../../analysis/retention/retention.ts'
import { checkRetention } from '../../analysis/retention/retentionQuery.ts'
import { segmentFaults } from '../../analysis/segments/segment.ts'
import type { QueryPool } from '../../analysis/threads/pool.ts'
import type { DefinitionKind } from '../../domain/definitionEvents.ts'
import type { JsonObject } from '../../domain/json.ts'

/**
 * The queries that analysts send; each answers from one flow of their tenant. Those that look at every event of it are spread over the
 * processors.
 */
export const queries = {
  funnel: async (body, source, pool) => {
    const prepared = prepareFunnel(body, source)
    return 'faults' in prepared ? prepared : { answer: await pool.funnel(prepared.plan, prepared.answer) }
  },
  explain: (body, source) => explainFunnel(body, source),
  timeToConvert: (body, source) => timeToConvert(body, source),
  drivers: (body, source) => funnelDrivers(body, source),
  paths: (body, source) => queryPaths(body, source),
  retention: async (body, source, pool) => {
    const prepared = prepareRetention(body, source)
    return 'faults' in prepared ? prepared : { answer: prepared.answer(await pool.retention(prepared.plan)) }
  },
  behavior: (body, source) => sessionBehavior(body, source),
  difficulties: (body, source) => flowDifficulties(body, source),
  training: (body, source) => trainOnFlow(body, source),
  prediction: (body, source) => predictSession(body, source),
  opportunities: (body, source) => flowOpportunities(body, source),
} as const satisfies Record<
  string,
  (body: unknown, source: AnalysisSource, pool: QueryPool) => Outcome<object> | Promise<Outcome<object>>
>

export type QueryKind = keyof typeof queries

/** Where the event ids of an explanation are read: session and revision → id. */
export type EventIds = (places: readonly EventPlace[]) => Promise<readonly (string | null)[]>

export interface EventPlace {
  readonly sessionId: string
  readonly revision: number
}

/** An explanation with the events by their ids, as the log has them. */
export async function withEventIds(explained: Explanation & Envelope, idsOf: EventIds): Promise<object> {
  const places = explained.steps.flatMap(({ event }) => (event ? [event] : []))
  const ids = (await idsOf(places)).values()
  return {
    ...explained,
    steps: explained.steps.map(({ name, event }) => ({
      name,
      event: event && { id: ids.next().value ?? null, ...event },
    })),
  }
}

/** Every fault of a definition; none when it can be saved. */
export function definitionFaults(
  kind: DefinitionKind,
  definition: JsonObject,
  source: AnalysisSource,
): readonly Fault[] {
  switch (kind) {
    case 'funnel': {
      const checked = checkFunnel(definition, source)
      return 'faults' in checked ? checked.faults : []
    }
    case 'retention': {
      const checked = checkRetention(definition, source)
      return 'faults' in checked ? checked.faults : []
    }
    case 'segment':
      return segmentDefinitionFaults(definition, source)
  }
}

const SEGMENT_FIELDS = ['flowId', 'rule', 'unit']

function segmentDefinitionFaults(definition: JsonObject, source: AnalysisSource): Fault[] {
  const unknown = Object.keys(definition)
    .filter((key) => !SEGMENT_FIELDS.includes(key))
    .map((key) => ({
      pointer: `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      detail: 'unknown field',
    }))
  const { unit } = definition
  const badUnit =
    unit === undefined || unit === 'session' || unit === 'user'
      ? []
      : [{ pointer: '/unit', detail: 'must be one of session, user' }]
  return [...unknown, ...badUnit, ...segmentFaults(definition.rule, source)]
}
