import type { FastifyReply } from 'fastify'
import type { JsonObject } from '../domain/json.ts'
import type { Position } from '../domain/position.ts'
import type { Analysis, AnalysisReply } from '../projections/analysis/analysisIndex.ts'
import type { AppDependencies } from './dependencies.ts'
import { inputFaults, notFound, type ProblemError, problem } from './problem.ts'

export interface AnalysisDependencies extends AppDependencies {
  readonly analysis: Analysis
}

/** Sends what the index answered. @throws ProblemError for everything but an answer */
export function sendAnalysis(reply: FastifyReply, result: AnalysisReply, flowId?: string): FastifyReply {
  if (result.is !== 'answer') throw analysisProblem(result, flowId)
  if (result.headers) reply.headers(result.headers)
  return reply.type('application/json; charset=utf-8').send(result.json)
}

/** Why there is no answer. */
export function analysisProblem(result: Exclude<AnalysisReply, { is: 'answer' }>, flowId = ''): ProblemError {
  const later = (seconds: number) => ({ headers: { 'retry-after': String(seconds) } })
  switch (result.is) {
    case 'faults':
      return inputFaults(result.faults)
    case 'broken':
      return problem(
        409,
        'definition_broken',
        'The definition can no longer be answered, as what it names is gone; errors point into the definition.',
        { errors: result.faults },
      )
    case 'flow_unknown':
      return notFound('flow_unknown', `There is no flow ${JSON.stringify(flowId)}.`)
    case 'definition_unknown':
      return notFound('definition_unknown', 'Nothing was saved under this key.')
    case 'behind':
      return problem(
        503,
        'read_model_behind',
        `The read model analysis is at ${result.at}, ${result.behind} behind what was asked for.`,
        { extra: { readModel: 'analysis', at: result.at, lag: result.behind }, ...later(1) },
      )
    case 'busy':
      return problem(503, 'analysis_busy', 'More queries wait than can be answered soon.', later(1))
    case 'too_slow':
      return problem(503, 'analysis_too_slow', 'The query took longer than a query may take.', later(10))
    case 'unavailable':
      return problem(503, 'analysis_unavailable', 'The analysis index is being started.', later(1))
    case 'done':
    case 'status':
      throw new Error(`the index answered a query with ${result.is}`)
  }
}

/** Asks the index; a flow published a moment ago that it has not met yet is waited for. */
export async function askOfFlow(
  { flows }: Pick<AppDependencies, 'flows'>,
  tenant: string,
  { flowId }: JsonObject,
  after: Position | undefined,
  ask: (after: Position | undefined) => Promise<AnalysisReply>,
): Promise<AnalysisReply> {
  const result = await ask(after)
  if (result.is !== 'flow_unknown' || typeof flowId !== 'string') return result
  const published = await flows.find(tenant, flowId)
  return published ? ask(published.position) : result
}
