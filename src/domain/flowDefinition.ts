import Type, { type Static } from 'typebox'

/** A flow as a tenant defines it: data, never code. Shape only; what the shape cannot say is in flowFaults.ts. */

export const stepKinds = [
  'form',
  'content',
  'upload',
  'connection',
  'payment',
  'booking',
  'assessment',
  'approval',
  'verify-email',
  'two-factor',
  'external',
] as const

const id = Type.String({ minLength: 1, maxLength: 100, pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$' })
const condition = Type.String({ minLength: 1, maxLength: 1000, description: 'CEL' })

/** One text, or a text a language (BCP 47 tags), with `default` naming none: the first listed is the fallback. */
export const localised = Type.Union([
  Type.String({ minLength: 1, maxLength: 2000 }),
  Type.Record(
    Type.String({ pattern: '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' }),
    Type.String({ minLength: 1, maxLength: 2000 }),
    {
      minProperties: 1,
    },
  ),
])

export const stepDefinitionSchema = Type.Object(
  {
    id,
    title: localised,
    description: Type.Optional(localised),
    kind: Type.Enum([...stepKinds]),
    required: Type.Optional(Type.Boolean({ description: 'default true' })),
    skippable: Type.Optional(Type.Boolean({ description: 'default: not required' })),
    dependsOn: Type.Optional(Type.Array(id, { maxItems: 200 })),
    visibleWhen: Type.Optional(condition),
    schema: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Boolean()], {
        description: 'JSON Schema 2020-12 of the step’s data',
      }),
    ),
    estimatedMinutes: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 525_600 })),
    assignee: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    dueInHours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 87_600 })),
    channels: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 50 }), { maxItems: 20 })),
  },
  { additionalProperties: false },
)

export const flowDefinitionSchema = Type.Object(
  {
    id,
    title: localised,
    audience: Type.Optional(condition),
    milestones: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 100 }), { maxItems: 100 })),
    abandonAfterHours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 87_600 })),
    steps: Type.Array(stepDefinitionSchema, { minItems: 1, maxItems: 200 }),
  },
  { additionalProperties: false },
)

export type StepDefinition = Static<typeof stepDefinitionSchema>
export type FlowDefinition = Static<typeof flowDefinitionSchema>
