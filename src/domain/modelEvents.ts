import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import type { EventSchema } from './sessionEvents.ts'

const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })
const number = Type.Number()
const numbers = Type.Array(number)
const count = Type.Integer({ minimum: 0 })
const share = Type.Number({ minimum: 0, maximum: 1 })

/** A logistic model: coefficients on standardised features, the intercept first, with their covariance. */
const logistic = object({
  features: Type.Array(Type.String()),
  scaling: object({ mean: numbers, deviation: numbers }),
  standardised: numbers,
  raw: numbers,
  covariance: Type.Array(numbers),
  iterations: count,
  rows: count,
})

/** On sessions that were held out from training. */
const quality = object({
  sessions: count,
  n: count,
  positives: count,
  baseRate: share,
  auc: Type.Union([share, Type.Null()]),
  logLoss: number,
  brier: share,
  accuracy: share,
  calibration: Type.Array(object({ predicted: share, observed: share, n: count })),
})

const fitted = object({ model: logistic, sessions: count, quality })

/** One stream a flow: `model-tenant_flowId`. */
export const modelEventSchemas = {
  ModelTrained: {
    v: 1,
    description:
      'The chance to complete and the risk to abandon within seven days were learnt from the flow’s sessions: coefficients, and quality on sessions held out.',
    data: object({
      flowId: Type.String(),
      version: Type.Integer({ minimum: 1 }),
      asOf: Type.String({ description: 'ISO 8601: nothing later was seen' }),
      asOfPosition: Type.String(),
      finished: count,
      choice: object({
        steps: Type.Array(Type.String()),
        signals: Type.Array(Type.String()),
        attributes: Type.Array(object({ attribute: Type.String(), value: Type.Unknown() })),
      }),
      completion: fitted,
      abandon7d: fitted,
    }),
  },
} as const satisfies Record<string, EventSchema>

export type ModelEvent = DomainEvent<
  'ModelTrained',
  Static<(typeof modelEventSchemas)['ModelTrained']['data']>
>
export type TrainedModel = ModelEvent['data']
