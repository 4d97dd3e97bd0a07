import type { FastifyPluginAsync } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { JsonObject } from '../domain/json.ts'
import type { QueryKind } from '../projections/analysis/queries.ts'
import { type AnalysisDependencies, askOfFlow, sendAnalysis } from './analysisAnswer.ts'
import * as shapes from './analyticsSchemas.ts'
import { queryRoute } from './describe.ts'
import { onlyAfter } from './schemas.ts'

interface Query {
  readonly path: string
  readonly kind: QueryKind
  readonly summary: string
  readonly body: TSchema
  readonly of: TSchema
}

const queries: readonly Query[] = [
  {
    path: '/analytics/funnels/query',
    kind: 'funnel',
    summary: 'A funnel',
    body: shapes.funnelQuery,
    of: shapes.funnelAnswer,
  },
  {
    path: '/analytics/funnels/explain',
    kind: 'explain',
    summary: 'How far one unit got in a funnel, by which events, and what stopped it',
    body: shapes.explainQuery,
    of: shapes.explainAnswer,
  },
  {
    path: '/analytics/funnels/time-to-convert',
    kind: 'timeToConvert',
    summary: 'How long converting takes',
    body: shapes.funnelQuery,
    of: shapes.timeAnswer,
  },
  {
    path: '/analytics/funnels/drivers',
    kind: 'drivers',
    summary: 'What goes with converting',
    body: shapes.driversQuery,
    of: shapes.driversAnswer,
  },
  {
    path: '/analytics/paths',
    kind: 'paths',
    summary: 'What was done after, or between, two events',
    body: shapes.pathsQuery,
    of: shapes.pathsAnswer,
  },
  {
    path: '/analytics/retention/query',
    kind: 'retention',
    summary: 'Who came back, by cohort',
    body: shapes.retentionQuery,
    of: shapes.retentionAnswer,
  },
]

/** Questions to the history of a flow. They change nothing: an Idempotency-Key means nothing here. */
export function analyticsQueryRoutes(deps: AnalysisDependencies): FastifyPluginAsync {
  const { analysis } = deps
  return async (app) => {
    for (const { path, kind, summary, body, of } of queries)
      app.post<{ Querystring: Static<typeof onlyAfter>; Body: JsonObject & { flowId: string } }>(
        path,
        queryRoute('analytics.read', 'analytics', {
          summary,
          querystring: onlyAfter,
          body: shapes.ofFlow,
          'x-body': body,
          of,
        }),
        async ({ caller, body, query }, reply) => {
          const { tenant } = caller
          const result = await askOfFlow(deps, tenant, body, query.after, (after) =>
            analysis.query(tenant, kind, body, after),
          )
          return sendAnalysis(reply, result, body.flowId)
        },
      )
  }
}
