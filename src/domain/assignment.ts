import { type Decider, refuse } from './decider.ts'
import type { ExperimentState } from './experiment.ts'
import { assignVariant } from './experimentAssignment.ts'
import type { ExperimentDefinition } from './experimentDefinition.ts'
import type { AssignmentEvent } from './experimentEvents.ts'

/** What one unit was assigned in one experiment. */
export interface AssignmentState {
  readonly assigned: AssignmentEvent['data'] | undefined
}

/** `targeted`: whether the unit meets the experiment's targeting. */
export interface AssignVariant {
  readonly type: 'AssignVariant'
  readonly experiment: Pick<ExperimentState, 'status' | 'weights'> & {
    readonly definition: ExperimentDefinition
  }
  readonly unitId: string
  readonly targeted: boolean
}

/**
 * Assignment is recorded once: a variant stays, whatever becomes of weights, targeting and the experiment. That a unit is outside is
 * recorded too, and looked at again when it is asked for anew: it may have come to meet the targeting.
 */
export const assignmentDecider: Decider<AssignmentState, AssignVariant, AssignmentEvent> = {
  initial: { assigned: undefined },

  decide({ experiment, unitId, targeted }, { assigned }) {
    if (assigned && assigned.variant !== null) return []
    const { definition, status, weights } = experiment
    if (status !== 'running') {
      if (assigned) return []
      return status === 'stopped'
        ? refuse(409, 'experiment_stopped', 'The experiment has ended and takes in nobody new.')
        : refuse(409, 'experiment_not_running', 'The experiment has not been started.')
    }
    const { variant, hash } = assignVariant(
      {
        seed: definition.key,
        variants: definition.variants.map(({ key }, arm) => ({ key, weight: weights[arm]! })),
        ...(definition.coverage !== undefined && { coverage: definition.coverage }),
        ...(definition.namespace && { namespace: definition.namespace }),
      },
      unitId,
      targeted,
    )
    if (assigned && variant === null) return []
    const data = { experiment: definition.key, unit: definition.unit, unitId, variant, hash }
    return [{ type: 'VariantAssigned', data: { ...data, weights: [...weights] } }]
  },

  evolve: (_state, { data }) => ({ assigned: data }),
}
