import Type, { type TProperties } from 'typebox'
import * as schemas from './schemas.ts'

/** Shapes of analysis, for the document. What a query says is checked by the engine, which knows the flow. */

const { object } = schemas
const optional = Type.Optional
const choice = (values: readonly string[], description: string) =>
  optional(Type.Enum([...values], { description: `${description}; ${values[0]} unless told` }))
const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const number = Type.Number()
const count = Type.Integer({ minimum: 0 })
const interval = Type.Array(number, { minItems: 2, maxItems: 2, description: '95 %, [low, high]' })

const where = optional(
  Type.String({
    maxLength: 1000,
    description:
      'CEL over the event’s `properties` (of a completed step its data) and the session’s `attributes`',
    examples: ['attributes.plan == "pro"'],
  }),
)
const name = optional(Type.String({ description: 'How the answer calls it' }))
export const eventFilter = Type.Union(
  [
    object({ step: Type.String(), where, name }, { title: 'StepFilter' }),
    object({ signal: Type.String(), where, name }, { title: 'SignalFilter' }),
    object({ event: Type.String(), where, name }, { title: 'TypeFilter' }),
    object({ any: Type.Literal(true), where, name }, { title: 'AnyFilter' }),
  ],
  { description: 'Which events count' },
)

const asOf = optional(
  Type.String({
    description: 'ISO 8601; nothing later is seen. Now unless told',
    examples: ['2026-01-31T00:00:00Z'],
  }),
)
const bound = (description: string) => optional(Type.String({ description }))
const segment = optional(Type.String({ description: 'Only members of this saved segment' }))
const unit = choice(['session', 'user'], 'What is counted')
const window = Type.String({
  description: 'ISO 8601 duration of weeks, days, hours, minutes, seconds',
  examples: ['P7D'],
})

const funnelFields = {
  flowId: schemas.flowId,
  steps: Type.Array(eventFilter, { minItems: 1, maxItems: 50 }),
  order: choice(
    ['ordered', 'strict', 'unordered'],
    'Whether other events may come between, or steps in any order',
  ),
  entry: choice(['first', 'any'], 'Only a unit’s first entry, or the one that leads deepest'),
  window: optional(window),
  ties: choice(['recorded', 'any'], 'Events of equal time as recorded, or in whichever order serves'),
  exclusions: optional(
    Type.Array(object({ filter: eventFilter, from: count, to: count }), {
      maxItems: 20,
      description: 'Events that put a unit out when seen between two steps, by their indexes from 0',
    }),
  ),
  from: bound('ISO 8601; entries from then on'),
  to: bound('ISO 8601; entries before then'),
  breakdown: optional(
    Type.Union([object({ attribute: Type.String() }), object({ segment: Type.String() })], {
      description: 'The 200 largest groups are shown',
    }),
  ),
  segment,
  unit,
  asOf,
}
export const funnelQuery = object(funnelFields, { title: 'Funnel' })
export const explainQuery = object(
  { ...funnelFields, unitId: Type.String({ description: 'Session or user' }) },
  { title: 'FunnelOfUnit' },
)
export const driversQuery = object(
  {
    ...funnelFields,
    candidates: optional(Type.Array(Type.Union([object({ attribute: Type.String() }), eventFilter]))),
  },
  { title: 'FunnelDrivers' },
)
export const pathsQuery = object(
  {
    flowId: schemas.flowId,
    from: optional(eventFilter),
    to: optional(eventFilter),
    depth: optional(Type.Integer({ minimum: 1, maximum: 50, description: 'Events followed; 5 unless told' })),
    limit: optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Links shown; 50 unless told' })),
    unit,
    segment,
    asOf,
  },
  { title: 'Paths' },
)
const periods = ['hour', 'day', 'week', 'month']
export const retentionQuery = object(
  {
    flowId: schemas.flowId,
    cohortBy: eventFilter,
    returnBy: eventFilter,
    period: Type.Enum(periods),
    periods: optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Needed without brackets' })),
    clock: choice(['calendar', 'rolling24h'], 'Local periods, or times of 24 h from the start'),
    mode: choice(['on', 'onOrAfter'], 'Returned in the period, or in it or later'),
    brackets: optional(Type.Array(Type.Array(count, { minItems: 2, maxItems: 2 }), { maxItems: 100 })),
    timezone: optional(Type.String({ description: 'IANA; UTC unless told', examples: ['Europe/Paris'] })),
    weekStart: optional(Type.String({ description: 'monday unless told' })),
    segment,
    unit,
    asOf,
  },
  { title: 'Retention' },
)
export const segmentDefinition = object(
  {
    flowId: schemas.flowId,
    rule: Type.Unknown({
      description:
        'CEL over `attributes`, {did: filter, atLeast?, within?, since?}, {all: […]}, {any: […]} or {not: …}',
      examples: [{ all: ['attributes.plan == "pro"', { did: { step: 'welcome' }, within: 'P7D' }] }],
    }),
    unit,
  },
  { title: 'Segment' },
)

/** What is checked before the engine looks: a query is of a flow. */
export const ofFlow = Type.Object({ flowId: schemas.flowId })

const envelope = {
  asOf: schemas.time,
  asOfPosition: schemas.position,
  definitionHash: Type.String({ description: 'SHA-256 of the query as canonical JSON, asOf aside' }),
  exact: Type.Boolean(),
  computeMs: number,
  warnings: Type.Array(Type.String()),
}
export const answerOf = <P extends TProperties>(properties: P) => Type.Object({ ...properties, ...envelope })

const seconds = nullable(Type.Number({ description: 'Seconds' }))
const rows = Type.Array(
  Type.Object({
    name: Type.String(),
    count,
    conversionFromStart: nullable(number),
    conversionFromPrevious: nullable(number),
    ci: nullable(interval),
    dropped: count,
    inProgress: count,
    medianSeconds: seconds,
    p90Seconds: seconds,
  }),
)
export const funnelAnswer = answerOf({
  steps: rows,
  breakdowns: Type.Array(Type.Object({ value: Type.Unknown(), steps: rows })),
  excluded: count,
})
export const explainAnswer = answerOf({
  unitId: Type.String(),
  reached: count,
  excluded: Type.Boolean(),
  steps: Type.Array(
    Type.Object({
      name: Type.String(),
      event: nullable(
        Type.Object({ id: nullable(Type.String()), at: schemas.time, sessionId: Type.String() }),
      ),
    }),
  ),
  stoppedBy: nullable(
    Type.Object({ rule: Type.String(), step: nullable(Type.String()), detail: Type.String() }),
  ),
})
const duration = { median: seconds, p90: seconds, mean: seconds, n: count }
export const timeAnswer = answerOf({
  total: Type.Object(duration),
  perStep: Type.Array(Type.Object({ from: Type.String(), to: Type.String(), ...duration })),
  histogram: Type.Array(Type.Object({ from: number, to: number, count })),
  survival: Type.Array(
    Type.Object({ t: number, atRisk: count, events: count, survival: number, ci: interval }),
  ),
})
export const driversAnswer = Type.Array(
  Type.Object({
    attribute: optional(Type.String()),
    event: optional(eventFilter),
    value: Type.Unknown(),
    converted: count,
    dropped: count,
    oddsRatio: number,
    ci: interval,
    p: number,
    q: Type.Number({ description: 'p after Benjamini and Hochberg' }),
  }),
  {
    description:
      'A list; what other answers say of themselves is in the headers Gangway-As-Of, Gangway-As-Of-Position, ' +
      'Gangway-Definition-Hash, Gangway-Exact, Gangway-Compute-Ms and Gangway-Warnings (JSON).',
  },
)
export const pathsAnswer = answerOf({
  nodes: Type.Array(Type.Object({ name: Type.String(), step: count, count })),
  links: Type.Array(Type.Object({ from: Type.String(), to: Type.String(), step: count, count })),
})
export const retentionAnswer = answerOf({
  cohorts: Type.Array(
    Type.Object({
      start: Type.String(),
      size: count,
      cells: Type.Array(
        Type.Object({
          period: count,
          returned: count,
          eligible: count,
          rate: nullable(number),
          ci: nullable(interval),
          incomplete: Type.Boolean(),
        }),
      ),
    }),
  ),
  average: Type.Array(Type.Object({ period: count, rate: nullable(number) })),
})
export const segmentAnswer = answerOf({
  size: count,
  series: Type.Array(Type.Object({ at: schemas.time, size: count })),
})
