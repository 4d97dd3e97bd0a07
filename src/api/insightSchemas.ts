import Type from 'typebox'
import { time } from './schemas.ts'

/** Shapes of insights, for the document. */

const number = Type.Number()
const count = Type.Integer({ minimum: 0 })
const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const interval = Type.Array(number, { minItems: 2, maxItems: 2, description: '95 %, [low, high]' })
const about = {
  asOf: time,
  asOfPosition: Type.String(),
  definitionHash: Type.String(),
  exact: Type.Boolean(),
  computeMs: number,
  warnings: Type.Array(Type.String()),
}
const query = Type.Object(
  { path: Type.String(), body: Type.Record(Type.String(), Type.Unknown()) },
  { description: 'The query that shows it, to be sent as it is' },
)
const measure = Type.Enum(['seconds', 'failedValidations', 'returns'])

export const behavior = Type.Object({
  sessionId: Type.String(),
  flowId: Type.String(),
  flowVersion: count,
  status: Type.String(),
  ended: Type.Enum(['completed', 'abandoned', 'silent', 'open']),
  steps: Type.Array(
    Type.Object({
      stepId: Type.String(),
      status: Type.Enum(['open', 'completed', 'skipped']),
      since: nullable(time),
      metAt: nullable(time),
      seconds: nullable(number),
      pausedSeconds: number,
      started: count,
      saved: count,
      submitted: count,
      retries: count,
      failedValidations: count,
      fields: Type.Array(Type.Object({ pointer: Type.String(), count })),
      reopened: count,
      resubmitted: count,
      skipped: count,
      usual: Type.Object({
        sessions: count,
        medianSeconds: nullable(number),
        p90Seconds: nullable(number),
        p95Seconds: nullable(number),
        secondsQuantile: nullable(number),
        failedValidationsQuantile: nullable(number),
      }),
    }),
  ),
  pauses: Type.Array(Type.Object({ from: time, to: nullable(time), seconds: number })),
  totals: Type.Object({
    seconds: number,
    retries: count,
    failedValidations: count,
    returns: count,
    pauses: count,
  }),
  difficulty: Type.Object({
    found: Type.Boolean(),
    rule: Type.String(),
    steps: Type.Array(
      Type.Object({
        stepId: Type.String(),
        evidence: Type.Array(
          Type.Object({ measure, value: number, limit: number, quantile: number, comparedWith: count }),
        ),
      }),
    ),
    notJudged: Type.Array(Type.Object({ stepId: Type.String(), measure, reason: Type.String() })),
  }),
  ...about,
})

const chance = Type.Object({ p: number, ci: interval })
const factor = Type.Object({
  feature: Type.String(),
  contribution: Type.Number({ description: 'To the log-odds, against the average of training' }),
  value: number,
})
const quality = Type.Object({
  trainedOn: Type.Integer({ description: 'Sessions it was fitted on' }),
  sessions: Type.Integer({ description: 'Sessions held out, on which the rest was measured' }),
  auc: nullable(number),
  brier: number,
  logLoss: number,
  calibration: Type.Array(Type.Object({ predicted: number, observed: number, n: count })),
})

export const prediction = Type.Union([
  Type.Object({
    sessionId: Type.String(),
    flowId: Type.String(),
    completion: chance,
    abandon7d: chance,
    factors: Type.Array(factor),
    abandonFactors: Type.Optional(Type.Array(factor)),
    ended: Type.Optional(Type.Enum(['completed', 'abandoned'])),
    model: Type.Object({
      version: Type.Integer({ minimum: 1 }),
      trainedOn: count,
      auc: nullable(number),
      brier: number,
      finished: count,
      trainedAsOf: time,
      trainedAsOfPosition: Type.String(),
      completion: quality,
      abandon7d: quality,
    }),
    ...about,
  }),
  Type.Object({
    sessionId: Type.String(),
    flowId: Type.String(),
    unknown: Type.String({ description: 'Why nothing is predicted' }),
    finished: Type.Integer({ description: 'Sessions of the flow that were completed or abandoned' }),
    ...about,
  }),
])

export const opportunities = Type.Object({
  flowId: Type.String(),
  sessions: Type.Object({ all: count, ended: count, completed: count, completionRate: nullable(number) }),
  steps: Type.Array(
    Type.Object({
      stepId: Type.String(),
      reached: count,
      lost: count,
      dropOff: number,
      dropOffCi: interval,
      completionAfter: nullable(number),
      completionsToWin: number,
      ci: interval,
      inProgress: count,
      query,
    }),
  ),
  afterLastStep: Type.Integer({ description: 'Sessions lost that had done everything that is usual' }),
  fields: Type.Array(
    Type.Object({
      stepId: Type.String(),
      pointer: Type.String(),
      failures: count,
      sessions: count,
      neverMet: count,
      failureRate: number,
      ci: interval,
      query,
    }),
  ),
  outOfOrder: Type.Array(
    Type.Object({
      stepId: Type.String(),
      before: Type.String(),
      against: Type.Enum(['flow', 'majority']),
      sessions: count,
      both: count,
      share: number,
      ci: interval,
      query,
    }),
  ),
  segments: Type.Array(
    Type.Object({
      attribute: Type.String(),
      value: Type.Unknown(),
      sessions: count,
      completed: count,
      completionRate: number,
      ci: interval,
      otherRate: number,
      oddsRatio: number,
      oddsRatioCi: interval,
      p: number,
      q: number,
      completionsToWin: number,
      query,
    }),
  ),
  ...about,
})
