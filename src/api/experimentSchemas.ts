import Type from 'typebox'
import { answerOf } from './analyticsSchemas.ts'
import * as schemas from './schemas.ts'

/** Shapes of experiments, for checks and for the document. */

const { object } = schemas
const optional = Type.Optional
const number = Type.Number()
const count = Type.Integer({ minimum: 0 })
const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const figure = nullable(number)
const interval = nullable(Type.Array(number, { minItems: 2, maxItems: 2, description: '[low, high]' }))

export const experimentParams = Type.Object({ key: schemas.name({ description: 'Key of the experiment' }) })

export const assignBody = object(
  {
    userId: optional(schemas.userId),
    sessionId: optional(schemas.sessionId),
    attributes: optional(schemas.anyObject),
  },
  {
    description: 'The unit, a user or a session as the experiment has it, and what targeting looks at.',
    examples: [{ userId: 'ann', attributes: { country: 'FR' } }],
  },
)

export const assigned = Type.Object({
  experiment: Type.String(),
  variant: nullable(Type.String({ description: 'null: not in the experiment' })),
  inExperiment: Type.Boolean(),
  hash: Type.Number({ minimum: 0, maximum: 1, description: 'By GrowthBook’s hash, version 2' }),
})

export const exposureBody = object({ sessionId: schemas.sessionId })

export const stopBody = object({ reason: optional(schemas.name()) })

export const experimentView = Type.Object({
  key: Type.String(),
  flowId: optional(Type.String()),
  status: Type.Enum(['draft', 'running', 'stopped']),
  definition: schemas.anyObject,
  weights: Type.Array(number, {
    description: 'Shares of assignment now, in order of the variants; a bandit changes them',
  }),
  startedAt: optional(schemas.time),
  stoppedAt: optional(schemas.time),
  revision: Type.Integer(),
})

const positive = { exclusiveMinimum: 0, maximum: 1e12 }
export const powerBody = object(
  {
    mean: optional(
      Type.Number({ ...positive, description: 'The control’s mean of a unit; for a conversion its rate' }),
    ),
    variance: optional(
      Type.Number({ ...positive, description: 'Of a unit; a conversion’s follows from its rate' }),
    ),
    lift: optional(
      Type.Number({
        minimum: -1000,
        maximum: 1000,
        description: 'Relative to the mean: 0.05 is five percent',
      }),
    ),
    arms: optional(Type.Integer({ minimum: 2, maximum: 64, description: 'Control included; 2 unless told' })),
    alpha: optional(
      Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 0.5, description: '0.05 unless told' }),
    ),
    power: optional(
      Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: '0.8 unless told' }),
    ),
    sequential: optional(Type.Boolean({ description: 'Judged by the always-valid interval' })),
    units: optional(Type.Number({ minimum: 0, maximum: 1e12, description: 'Of all arms, there or to come' })),
    unitsPerDay: optional(Type.Number(positive)),
    experiment: optional(
      schemas.name({
        description: 'Key of an experiment: whatever is not given is taken as it was measured there',
      }),
    ),
    metric: optional(schemas.name({ description: 'Key of its metric; the first primary one unless told' })),
  },
  { examples: [{ mean: 0.1, lift: 0.05, unitsPerDay: 500 }] },
)

export const powerAnswer = Type.Object({
  requiredUnits: nullable(
    Type.Number({ description: 'Of all arms, to find the lift; null when no number would do' }),
  ),
  unitsPerArm: figure,
  daysToGo: figure,
  power: nullable(Type.Number({ description: 'The chance that `units` find the lift' })),
  detectableLift: nullable(Type.Number({ description: 'The smallest that `units` find' })),
})

const comparison = {
  absolute: optional(figure),
  relative: optional(figure),
  ciFixed: optional(interval),
  ciSequential: optional(interval),
  p: optional(figure),
  pSequential: optional(figure),
}
const variantResult = Type.Object({
  variant: Type.String(),
  n: count,
  mean: figure,
  sum: figure,
  stddev: figure,
  ...comparison,
  pAdjusted: optional(figure),
  pSequentialAdjusted: optional(figure),
  chanceToBeatControl: optional(figure),
  expectedLoss: optional(figure),
  guardrail: optional(Type.String()),
  cuped: optional(
    Type.Object({ theta: figure, varianceReduction: figure, absolute: figure, p: figure, ci: interval }),
  ),
})
const point = Type.Object({
  day: Type.String({ description: 'YYYY-MM-DD, UTC' }),
  exposed: count,
  metrics: Type.Array(
    Type.Object({
      key: Type.String(),
      variants: Type.Array(Type.Object({ variant: Type.String(), n: count, mean: figure, ...comparison })),
    }),
  ),
})

export const experimentResults = answerOf({
  key: Type.String(),
  status: Type.Enum(['draft', 'running', 'stopped']),
  assigned: Type.Integer({
    description: 'Units assigned here; those exposed, where that is more: they were assigned elsewhere',
  }),
  exposed: count,
  multiExposed: count,
  unitsPerDay: optional(number),
  srm: Type.Object({
    chiSquared: figure,
    df: count,
    p: figure,
    verdict: Type.Enum(['ok', 'mismatch', 'unknown']),
    observed: Type.Record(Type.String(), count),
  }),
  metrics: Type.Array(
    Type.Object({
      key: Type.String(),
      type: Type.String(),
      role: Type.String(),
      direction: Type.String(),
      variants: Type.Array(variantResult),
      outlook: optional(Type.Object({ detectableLift: figure, requiredUnits: figure, daysToGo: figure })),
      effects: optional(Type.Array(Type.Unknown())),
    }),
  ),
  decision: Type.Object({
    verdict: Type.Enum(['ship', 'rollback', 'continue', 'invalid']),
    variant: optional(Type.String()),
    reasons: Type.Array(Type.String()),
  }),
  series: Type.Array(point),
  weights: Type.Array(number),
  nextWeights: optional(Type.Array(number, { description: 'Of a bandit, at its next turn' })),
})
