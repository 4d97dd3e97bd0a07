import type { Training } from '../../analysis/insight/training.ts'
import type { Position } from '../../domain/position.ts'
import type { Analysis, AnalysisReply } from './analysisIndex.ts'

type NoAnswer = Exclude<AnalysisReply, { is: 'answer' }>

/** Has the index train on a flow of a tenant. */
export const trainOnFlowOf =
  (analysis: Pick<Analysis, 'query'>) =>
  async (tenant: string, flowId: string, after: Position | undefined) => {
    const reply = await analysis.query(tenant, 'training', { flowId }, after)
    if (reply.is !== 'answer') return { is: 'refused' as const, why: reply as NoAnswer }
    const { training, asOf, asOfPosition } = JSON.parse(reply.json) as {
      training: Training
      asOf: string
      asOfPosition: string
    }
    return { is: 'trained' as const, training, asOf, asOfPosition }
  }
