import type { Training } from '../../analysis/insight/training.ts'
import type { Envelope } from '../../analysis/plan/envelope.ts'
import type { Position } from '../../domain/position.ts'
import type { Analysis, AnalysisReply } from './analysisIndex.ts'

type NoAnswer = Exclude<AnalysisReply, { is: 'answer' }>

/** Has the index train on a flow of a tenant. */
export const trainOnFlowOf =
  (analysis: Pick<Analysis, 'query'>) =>
  async (tenant: string, flowId: string, after: Position | undefined) => {
    const reply = await analysis.query(tenant, 'training', { flowId }, after)
    if (reply.is !== 'answer') return { is: 'refused' as const, why: reply as NoAnswer }
    const { training, ...about } = JSON.parse(reply.json) as { readonly training: Training } & Envelope
    return { is: 'trained' as const, training, about }
  }
