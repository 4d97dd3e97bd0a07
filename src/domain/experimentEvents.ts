import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import { experimentDefinitionSchema } from './experimentDefinition.ts'
import type { EventSchema } from './sessionEvents.ts'

const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })
const experiment = Type.String()

export const experimentEventSchemas = {
  ExperimentDefined: {
    v: 1,
    description: 'An experiment was drafted, or its draft replaced.',
    data: object({ definition: experimentDefinitionSchema }),
  },
  ExperimentStarted: {
    v: 1,
    description: 'Assignment began; the definition is fixed from here on.',
    data: object({ experiment }),
  },
  ExperimentReweighted: {
    v: 1,
    description: 'A bandit’s allocation changed: the chance of each variant to be the best, as shares of 1.',
    data: object({ experiment, weights: Type.Array(Type.Number({ minimum: 0, maximum: 1 })) }),
  },
  ExperimentStopped: {
    v: 1,
    description: 'Assignment ended, and the results as they stood are kept.',
    data: object({ experiment, reason: Type.Optional(Type.String()), results: Type.Unknown() }),
  },
} as const satisfies Record<string, EventSchema>

/** One stream a unit and experiment: what it was assigned stays so, whatever becomes of the weights. */
export const assignmentEventSchemas = {
  VariantAssigned: {
    v: 1,
    description: 'A unit met an experiment. Outside it (coverage, targeting, namespace) `variant` is null.',
    data: object({
      experiment,
      unit: Type.Union([Type.Literal('user'), Type.Literal('session')]),
      unitId: Type.String(),
      variant: Type.Union([Type.String(), Type.Null()]),
      hash: Type.Number({ minimum: 0, maximum: 1 }),
      weights: Type.Array(Type.Number()),
    }),
  },
} as const satisfies Record<string, EventSchema>

type ExperimentSchemas = typeof experimentEventSchemas
export type ExperimentEvent = {
  [T in keyof ExperimentSchemas]: DomainEvent<T, Static<ExperimentSchemas[T]['data']>>
}[keyof ExperimentSchemas]
export type AssignmentEvent = DomainEvent<
  'VariantAssigned',
  Static<(typeof assignmentEventSchemas)['VariantAssigned']['data']>
>
