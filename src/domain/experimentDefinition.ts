import Type, { type Static } from 'typebox'
import { durationSchema, eventFilterSchema } from './eventFilter.ts'
import { overridesSchema } from './overrides.ts'

/** An experiment as a tenant defines it. Shape only; what the shape cannot say is in experimentFaults.ts. */

const exact = { additionalProperties: false }
/** Printable, as in an imported exposure: an experiment that ran elsewhere keeps the name it had there. */
const key = Type.String({ minLength: 1, maxLength: 200, pattern: '^(?=.*\\S)[^\\p{Cc}\\p{Cs}]+$' })

const variant = Type.Object(
  {
    key,
    weight: Type.Number({ minimum: 0, maximum: 1_000_000 }),
    overrides: Type.Optional(overridesSchema),
    levels: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'factor → level, in a design of several factors',
      }),
    ),
  },
  exact,
)

const metric = Type.Object(
  {
    key,
    type: Type.Enum(['conversion', 'count', 'sum', 'mean', 'ratio']),
    filter: eventFilterSchema,
    denominator: Type.Optional(eventFilterSchema),
    window: Type.Optional(durationSchema),
    direction: Type.Union([Type.Literal('increase'), Type.Literal('decrease')]),
    role: Type.Union([Type.Literal('primary'), Type.Literal('secondary'), Type.Literal('guardrail')]),
    margin: Type.Optional(
      Type.Number({ minimum: 0, description: 'how much worse a guardrail may be, absolute; 0 unless given' }),
    ),
    mde: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100,
        description: 'the lift worth finding, relative to the control: 0.05 is five percent',
      }),
    ),
    winsorise: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0.5,
        maximum: 1,
        description: 'upper quantile at which unit values are capped',
      }),
    ),
  },
  exact,
)

export const experimentDefinitionSchema = Type.Object(
  {
    key,
    flowId: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    unit: Type.Union([Type.Literal('user'), Type.Literal('session')]),
    variants: Type.Array(variant, { minItems: 2, maxItems: 64 }),
    metrics: Type.Array(metric, { minItems: 1, maxItems: 50 }),
    alpha: Type.Optional(Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 0.5 })),
    sequential: Type.Optional(Type.Boolean()),
    correction: Type.Optional(Type.Union([Type.Literal('none'), Type.Literal('holm'), Type.Literal('bh')])),
    covariate: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    targeting: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'CEL over attributes' }),
    ),
    namespace: Type.Optional(
      Type.Object(
        {
          key,
          from: Type.Number({ minimum: 0, maximum: 1 }),
          to: Type.Number({ minimum: 0, maximum: 1 }),
        },
        exact,
      ),
    ),
    coverage: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    mode: Type.Optional(Type.Union([Type.Literal('fixed'), Type.Literal('bandit')])),
  },
  exact,
)

export type ExperimentDefinition = Static<typeof experimentDefinitionSchema>
export type ExperimentMetric = ExperimentDefinition['metrics'][number]
