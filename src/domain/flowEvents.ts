import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import { flowDefinitionSchema } from './flowDefinition.ts'
import type { EventSchema } from './sessionEvents.ts'

export const flowEventSchemas = {
  FlowPublished: {
    v: 1,
    description: 'A version of a flow was published; versions count from 1.',
    data: Type.Object(
      { flowId: Type.String(), version: Type.Integer({ minimum: 1 }), definition: flowDefinitionSchema },
      { additionalProperties: false },
    ),
  },
} as const satisfies Record<string, EventSchema>

export type FlowEvent = DomainEvent<
  'FlowPublished',
  Static<(typeof flowEventSchemas)['FlowPublished']['data']>
>
