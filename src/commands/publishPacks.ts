import { type Refusal, refuse } from '../domain/decider.ts'
import type { PublishFlow } from '../domain/flow.ts'
import type { FlowDefinition } from '../domain/flowDefinition.ts'
import { flowAggregate } from './aggregates.ts'
import type { Handle } from './handle.ts'
import { systemContext } from './systemContext.ts'

export interface FlowPack {
  readonly tenant: string
  readonly definition: FlowDefinition
}

/** Publishes each pack to its tenant, once: whoever has the flow keeps the versions they have. */
export async function publishPacks(deps: {
  readonly handle: Handle
  readonly packs: readonly FlowPack[]
  readonly now: () => Date
}): Promise<void> {
  for (const { tenant, definition } of deps.packs) {
    const commandId = `flow-pack:${definition.id}`
    const outcome = await deps.handle(
      flowAggregate,
      definition.id,
      // The hash that these commands have always been recorded with.
      { ...systemContext(tenant, commandId, deps.now().toISOString()), commandHash: '' },
      (flow): PublishFlow | Refusal =>
        flow.version > 0
          ? refuse(409, 'already_published', 'The tenant has the flow.')
          : { type: 'PublishFlow', definition },
    )
    if (outcome.kind === 'refused' && outcome.refusal.refused !== 'already_published')
      throw new Error(`the flow pack ${definition.id} has faults: ${JSON.stringify(outcome.refusal.errors)}`)
  }
}
