import { experimentAnswer } from '../../analysis/experiment/experimentAnswer.ts'
import type { Explanation } from '../../analysis/funnel/explain.ts'
import type { Envelope } from '../../analysis/plan/envelope.ts'
import { segmentMembers } from '../../analysis/segments/segment.ts'
import type { SegmentRule } from '../../analysis/segments/segmentRule.ts'
import type { QueryPool } from '../../analysis/threads/pool.ts'
import type { JsonObject } from '../../domain/json.ts'
import { streamName } from '../../domain/stream.ts'
import type { EventStore } from '../../eventStore/eventStore.ts'
import type { Follower } from './follower.ts'
import type { Question, Reply } from './messages.ts'
import { definitionFaults, type EventPlace, queries, withEventIds } from './queries.ts'
import { definitionName } from './state.ts'

type QueryQuestion = Extract<Question, { ask: 'query' }>
type ExperimentsQuestion = Extract<Question, { ask: 'experiment' }>
type CheckQuestion = Extract<Question, { ask: 'check' }>
type MembersQuestion = Extract<Question, { ask: 'members' }>

/** Answers questions from the index. What they ask for must have been waited for. */
export interface Answering {
  query(question: QueryQuestion): Promise<Reply>
  /** Results of an experiment on one flow, or on all flows of the tenant. */
  experiment(question: ExperimentsQuestion): Reply
  check(question: CheckQuestion): Reply
  members(question: MembersQuestion): Reply
}

export function answering(
  store: EventStore,
  follower: () => Follower,
  now: () => number,
  pool: QueryPool,
): Answering {
  const sourceOf = (tenant: string, { flowId }: JsonObject) =>
    typeof flowId === 'string' ? follower().state.source(tenant, flowId, now()) : undefined

  const eventIds = (tenant: string) => async (places: readonly EventPlace[]) =>
    Promise.all(
      places.map(async ({ sessionId, revision }) => {
        for await (const { id } of store.read(streamName('session', tenant, sessionId), {
          from: revision,
          limit: 1,
        }))
          return id
        return null
      }),
    )

  return {
    async query({ tenant, kind, body }) {
      const source = sourceOf(tenant, body)
      if (!source) return { is: 'flow_unknown' }
      const outcome = await queries[kind](body, source, pool)
      if ('faults' in outcome) return { is: 'faults', faults: outcome.faults }
      const { answer } = outcome
      if (kind === 'explain')
        return json(await withEventIds(answer as Explanation & Envelope, eventIds(tenant)))
      if (kind === 'drivers') return listed(answer as { data: readonly unknown[] } & Envelope)
      return json(answer)
    },

    experiment({ tenant, question }) {
      const { state } = follower()
      const { flowId } = question.definition
      const flows = flowId === undefined ? [...(state.tenants.get(tenant)?.flows.keys() ?? [])] : [flowId]
      const sources = flows.flatMap((flow) => state.source(tenant, flow, question.asOf) ?? [])
      return json(experimentAnswer(question, sources, state.through))
    },

    check({ tenant, kind, definition }) {
      const source = sourceOf(tenant, definition)
      if (!source) return { is: 'flow_unknown' }
      const faults = definitionFaults(kind, definition, source)
      return faults.length > 0 ? { is: 'faults', faults } : { is: 'done' }
    },

    members({ tenant, key, limit, from }) {
      const saved = follower().state.tenants.get(tenant)?.definitions.get(definitionName('segment', key))
      const source = saved && sourceOf(tenant, saved.definition)
      if (!source) return { is: 'definition_unknown' }
      const { rule, unit } = saved.definition as { rule: SegmentRule; unit?: 'session' | 'user' }
      const page = segmentMembers(rule, source, { ...(unit && { unit }), after: from, limit })
      const { members, next } = page
      const data = members.map(({ id }) => ({ id }))
      const about = { asOf: new Date(source.now).toISOString(), asOfPosition: source.index.position }
      return json({ data, nextCursor: next === null ? null : `m${next}`, ...about })
    },
  }
}

const json = (answer: object): Reply => ({ is: 'answer', json: JSON.stringify(answer) })

/** The answer as a list, with what else it says as headers, in ASCII. */
function listed({ data, ...envelope }: { data: readonly unknown[] } & Envelope): Reply {
  const warnings = JSON.stringify(envelope.warnings).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return {
    is: 'answer',
    json: JSON.stringify(data),
    headers: {
      'gangway-as-of': envelope.asOf,
      'gangway-as-of-position': envelope.asOfPosition,
      'gangway-definition-hash': envelope.definitionHash,
      'gangway-exact': String(envelope.exact),
      'gangway-compute-ms': String(envelope.computeMs),
      'gangway-warnings': warnings.slice(0, 4000),
    },
  }
}
