import type { Training } from '../analysis/insight/training.ts'
import type { Envelope } from '../analysis/plan/envelope.ts'
import { derivedId } from '../domain/ids.ts'
import { type ModelState, modelDecider, type RecordModel } from '../domain/model.ts'
import type { ModelEvent, TrainedModel } from '../domain/modelEvents.ts'
import type { Position } from '../domain/position.ts'
import type { Aggregate, Handle } from './handle.ts'
import { systemContext } from './systemContext.ts'

/** The models of a flow, one stream. */
export const modelAggregate: Aggregate<ModelState, RecordModel, ModelEvent> = {
  category: 'model',
  decider: modelDecider,
}

/** A training as the index answered it; `Refused` where it could not. */
export type TrainOnFlow<Refused> = (
  tenant: string,
  flowId: string,
  after: Position | undefined,
) => Promise<
  | {
      readonly is: 'trained'
      readonly training: Training
      readonly about: Envelope
    }
  | { readonly is: 'refused'; readonly why: Refused }
>

export type ModelOutcome<Refused> =
  | { readonly is: 'model'; readonly model: TrainedModel; readonly recorded: boolean }
  | {
      readonly is: 'unknown'
      readonly reason: string
      readonly finished: number
      readonly about: Envelope
    }
  | { readonly is: 'refused'; readonly why: Refused }

/** The models of flows: read, and trained anew. */
export interface Models<Refused> {
  latest(tenant: string, flowId: string): Promise<TrainedModel | undefined>
  /** Trains and records the next version. Those who ask for the same at the same time wait for one training. */
  train(tenant: string, flowId: string, after?: Position): Promise<ModelOutcome<Refused>>
}

export function createModels<Refused>(deps: {
  readonly handle: Handle
  readonly train: TrainOnFlow<Refused>
  readonly now: () => Date
}): Models<Refused> {
  const { handle, now } = deps
  const underWay = new Map<string, Promise<ModelOutcome<Refused>>>()

  const latest = async (tenant: string, flowId: string) =>
    (await handle.load(modelAggregate, tenant, flowId))?.state.latest

  async function train(tenant: string, flowId: string, after?: Position): Promise<ModelOutcome<Refused>> {
    const before = (await latest(tenant, flowId))?.version ?? 0
    const outcome = await deps.train(tenant, flowId, after)
    if (outcome.is === 'refused') return outcome
    const { training, about } = outcome
    const { asOf, asOfPosition } = about
    const { finished } = training
    if ('unknown' in training) return { is: 'unknown', reason: training.unknown, finished, about }
    const model = { flowId, asOf, asOfPosition, ...training } as Omit<TrainedModel, 'version'>
    const commandId = derivedId('model', tenant, flowId, asOfPosition)
    const recorded = await handle(
      modelAggregate,
      flowId,
      systemContext(tenant, commandId, now().toISOString()),
      () => ({ type: 'RecordModel' as const, after: before, model }),
    )
    if (recorded.kind !== 'accepted') throw new Error(`a model was not recorded: ${recorded.kind}`)
    return { is: 'model', model: recorded.state.latest!, recorded: recorded.events.length > 0 }
  }

  return {
    latest,
    train(tenant, flowId, after) {
      const key = JSON.stringify([tenant, flowId])
      const running = underWay.get(key) ?? train(tenant, flowId, after).finally(() => underWay.delete(key))
      underWay.set(key, running)
      return running
    },
  }
}
