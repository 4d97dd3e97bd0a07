import Type from 'typebox'

/** Shapes that several routes share. Each schema checks, types and documents. */

export const object = <P extends Type.TProperties>(properties: P, options: Type.TObjectOptions = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options })

/** Text that every part behind can hold; what is not printable is refused with a pointer. */
const PRINTABLE = '^[^\\u0000-\\u001f\\u007f]*$'
export const name = (options: Type.TStringOptions = {}) =>
  Type.String({ minLength: 1, maxLength: 200, pattern: PRINTABLE, ...options })

export const flowId = name({ description: 'Id of the flow', examples: ['glavito'] })
export const sessionId = name({ description: 'Id of the session' })
export const stepId = name({ description: 'Id of the step', examples: ['welcome'] })
export const userId = name({ description: 'Id of the user, as in tokens' })
export const version = Type.Integer({
  minimum: 1,
  maximum: 2_147_483_647,
  description: 'Version of the flow',
})
export const json = Type.Unknown({ description: 'Any JSON' })
export const anyObject = Type.Record(Type.String(), Type.Unknown())
export const time = Type.String({ description: 'ISO 8601, UTC, milliseconds', format: 'date-time' })
export const position = Type.String({
  pattern: '^(0|[1-9][0-9]{0,18})$',
  description: 'A place in the log; compares as an integer',
})

export const after = Type.Optional(
  Type.String({
    pattern: '^(0|[1-9][0-9]{0,18})$',
    description:
      'A position that the answer must have seen: the Gangway-Position of a command. Waits up to 5 seconds.',
  }),
)
export const onlyAfter = object({ after })

export const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 2000, description: 'The nextCursor of the page before' }),
  ),
}

export const page = <T extends Type.TSchema>(item: T) =>
  Type.Object({
    data: Type.Array(item),
    nextCursor: Type.Union([Type.String(), Type.Null()], { description: 'null at the end' }),
  })

/** A command without a body takes none or `{}`. */
export const noBody = object({}, { description: 'Nothing, or `{}`' })

const steps = Type.Array(Type.String())

export const session = Type.Object(
  {
    id: Type.String(),
    tenantId: Type.String(),
    userId: Type.Union([Type.String(), Type.Null()]),
    flowId: Type.String(),
    flowVersion: Type.Integer(),
    status: Type.Union(['active', 'paused', 'completed', 'abandoned'].map((status) => Type.Literal(status))),
    currentStep: Type.Union([Type.String(), Type.Null()]),
    completedSteps: steps,
    skippedSteps: steps,
    stepData: Type.Record(Type.String(), Type.Unknown(), {
      description: 'Answers of completed visible steps, and drafts of those not completed',
    }),
    drafts: anyObject,
    steps: Type.Array(
      Type.Object({
        stepId: Type.String(),
        status: Type.Union(
          ['locked', 'available', 'started', 'completed', 'skipped', 'hidden'].map((s) => Type.Literal(s)),
        ),
        required: Type.Boolean(),
        waitsFor: Type.Optional(steps),
        assignee: Type.Optional(Type.String()),
        startedAt: Type.Optional(time),
        metAt: Type.Optional(time),
        metBy: Type.Optional(Type.String()),
        dueAt: Type.Optional(time),
        overdue: Type.Optional(Type.Boolean()),
      }),
    ),
    progress: Type.Integer({ minimum: 0, maximum: 100 }),
    milestones: Type.Array(Type.Integer()),
    startedAt: time,
    lastActivityAt: time,
    completedAt: Type.Optional(time),
    abandonedAt: Type.Optional(time),
    estimatedCompletion: Type.Optional(time),
    context: anyObject,
    conditionErrors: Type.Optional(
      Type.Array(Type.Object({ stepId: Type.String(), message: Type.String() })),
    ),
    imported: Type.Optional(Type.Literal(true)),
    revision: Type.Integer({ minimum: 0 }),
  },
  { title: 'Session', description: 'Somebody’s way through one version of a flow' },
)

export const progress = Type.Object({
  percent: Type.Integer({ minimum: 0, maximum: 100 }),
  completedSteps: steps,
  currentStep: Type.Union([Type.String(), Type.Null()]),
  remainingSteps: steps,
  milestones: Type.Array(Type.Integer()),
  estimatedCompletion: Type.Union([time, Type.Null()]),
})

export const inputFault = Type.Object({
  pointer: Type.String({ description: 'JSON Pointer (RFC 6901) into the request body' }),
  detail: Type.String(),
})

export const problemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String(),
    code: Type.String({ description: 'A fact in snake_case, for programs' }),
    errors: Type.Optional(Type.Array(inputFault)),
  },
  { title: 'Problem', description: 'RFC 9457', additionalProperties: true },
)
