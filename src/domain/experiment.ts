import { type Decider, type InputFault, refuse } from './decider.ts'
import type { ExperimentDefinition } from './experimentDefinition.ts'
import type { ExperimentEvent } from './experimentEvents.ts'
import { experimentFaults } from './experimentFaults.ts'

export interface ExperimentState {
  readonly status: 'none' | 'draft' | 'running' | 'stopped'
  readonly definition: ExperimentDefinition | undefined
  /** Of assignment now, as shares of 1, in order of the variants. */
  readonly weights: readonly number[]
  readonly startedAt: string | undefined
  readonly stoppedAt: string | undefined
  /** As they stood at the stop. */
  readonly results: unknown
}

export type ExperimentCommand =
  | {
      readonly type: 'DefineExperiment'
      readonly definition: ExperimentDefinition
      /** What is wrong with it that only its flow, or who evaluates its conditions, can tell. */
      readonly faults?: readonly InputFault[]
    }
  | { readonly type: 'StartExperiment' }
  | { readonly type: 'ReweightExperiment'; readonly weights: readonly number[] }
  | { readonly type: 'StopExperiment'; readonly reason?: string; readonly results: unknown }

/** As recorded, or as just decided. */
export type FoldedExperimentEvent = ExperimentEvent & { readonly metadata?: { readonly occurredAt: string } }

export const experimentDecider: Decider<ExperimentState, ExperimentCommand, FoldedExperimentEvent> = {
  initial: {
    status: 'none',
    definition: undefined,
    weights: [],
    startedAt: undefined,
    stoppedAt: undefined,
    results: undefined,
  },

  decide(command, experiment) {
    switch (command.type) {
      case 'DefineExperiment': {
        if (experiment.status === 'running' || experiment.status === 'stopped')
          return refuse(
            409,
            `experiment_${experiment.status}`,
            experiment.status === 'running'
              ? 'A running experiment cannot be changed: units were assigned under its definition. Stop it and define another.'
              : 'The experiment has ended; its key stands for the results that were kept. Define another under a new key.',
          )
        const faults = [...experimentFaults(command.definition), ...(command.faults ?? [])]
        if (faults.length > 0)
          return refuse(422, 'experiment_invalid', 'The experiment has faults; nothing was recorded.', {
            errors: faults,
          })
        return [{ type: 'ExperimentDefined', data: { definition: command.definition } }]
      }
      case 'StartExperiment':
        if (experiment.status === 'running') return []
        if (experiment.status === 'none') return refuse(404, 'not_found', 'There is no such experiment.')
        if (experiment.status === 'stopped')
          return refuse(409, 'experiment_stopped', 'The experiment has ended and is not started again.')
        return [{ type: 'ExperimentStarted', data: { experiment: experiment.definition!.key } }]
      case 'ReweightExperiment':
        if (experiment.status !== 'running' || experiment.definition!.mode !== 'bandit') return []
        if (command.weights.every((weight, index) => weight === experiment.weights[index])) return []
        return [
          {
            type: 'ExperimentReweighted',
            data: { experiment: experiment.definition!.key, weights: [...command.weights] },
          },
        ]
      case 'StopExperiment':
        if (experiment.status === 'stopped') return []
        if (experiment.status === 'none') return refuse(404, 'not_found', 'There is no such experiment.')
        if (experiment.status === 'draft')
          return refuse(409, 'experiment_not_running', 'The experiment was never started.')
        return [
          {
            type: 'ExperimentStopped',
            data: {
              experiment: experiment.definition!.key,
              ...(command.reason === undefined ? {} : { reason: command.reason }),
              results: command.results,
            },
          },
        ]
    }
  },

  evolve(experiment, event) {
    const at = event.metadata?.occurredAt
    switch (event.type) {
      case 'ExperimentDefined':
        return {
          ...experiment,
          status: 'draft',
          definition: event.data.definition,
          weights: shares(event.data.definition),
        }
      case 'ExperimentStarted':
        return { ...experiment, status: 'running', startedAt: at }
      case 'ExperimentReweighted':
        return { ...experiment, weights: event.data.weights }
      case 'ExperimentStopped':
        return { ...experiment, status: 'stopped', stoppedAt: at, results: event.data.results }
    }
  },
}

/** The weights as shares of their sum. */
export function shares(definition: ExperimentDefinition): number[] {
  const sum = definition.variants.reduce((total, { weight }) => total + weight, 0)
  return definition.variants.map(({ weight }) => weight / sum)
}
