import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import { overridesSchema } from './overrides.ts'

/**
 * Every event of a session: the shape of its data at its current version. One schema checks at write, gives the type and
 * documents (docs/events.md). Earlier versions live with their upcasters in eventStore/upcasters.ts.
 */
const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })

const stepId = Type.String({ minLength: 1, maxLength: 200 })
const anyObject = Type.Record(Type.String(), Type.Unknown())
const at = Type.String({ description: 'ISO 8601, UTC, with milliseconds' })
const estimatedCompletion = Type.Optional(at)

export const sessionEventSchemas = {
  SessionStarted: {
    v: 1,
    description: 'Somebody began a flow, or an import met the session for the first time.',
    data: object({
      flowId: Type.String(),
      flowVersion: Type.Integer({ minimum: 1 }),
      userId: Type.Union([Type.String(), Type.Null()]),
      context: anyObject,
      estimatedCompletion,
      imported: Type.Optional(Type.Literal(true)),
    }),
  },
  StepStarted: { v: 1, description: 'A step was opened.', data: object({ stepId }) },
  StepSaved: {
    v: 1,
    description: 'A draft was kept, not validated.',
    data: object({ stepId, data: Type.Unknown() }),
  },
  StepCompleted: {
    v: 1,
    description: 'A step was submitted and its data is valid; a later one replaces the answer.',
    data: object({ stepId, data: Type.Unknown(), estimatedCompletion }),
  },
  StepValidationFailed: {
    v: 2,
    description: 'A submission failed its schema. What was submitted is not kept.',
    data: object({
      stepId,
      errors: Type.Array(object({ pointer: Type.String(), detail: Type.String() })),
    }),
  },
  StepSkipped: {
    v: 1,
    description: 'A skippable step was passed over; it counts as met.',
    data: object({ stepId, reason: Type.Optional(Type.String()), estimatedCompletion }),
  },
  StepReopened: {
    v: 1,
    description: 'A completed or skipped step is to be done again; its answer stays as the draft.',
    data: object({ stepId, estimatedCompletion }),
  },
  MilestoneReached: {
    v: 1,
    description: 'Progress crossed a milestone of the flow for the first time.',
    data: object({ milestone: Type.Integer({ minimum: 1, maximum: 100 }) }),
  },
  SessionPaused: {
    v: 1,
    description: 'The session rests.',
    data: object({ reason: Type.Optional(Type.String()) }),
  },
  SessionResumed: { v: 1, description: 'A paused session goes on.', data: object({ estimatedCompletion }) },
  SessionCompleted: { v: 1, description: 'The onboarding is done.', data: object({}) },
  SessionAbandoned: {
    v: 1,
    description: 'The session was given up, or nothing happened for abandonAfterHours.',
    data: object({
      reason: Type.Union([Type.Literal('requested'), Type.Literal('inactivity'), Type.Literal('imported')]),
    }),
  },
  ConditionFailed: {
    v: 1,
    description:
      'A visibleWhen condition could not be evaluated; its step stays visible. Recorded once a step and message.',
    data: object({ stepId, message: Type.String() }),
  },
  SignalTracked: {
    v: 1,
    description: 'Something worth counting happened beside the steps.',
    data: object({
      signal: Type.String({ minLength: 1, maxLength: 200 }),
      value: Type.Optional(Type.Number()),
      properties: Type.Optional(anyObject),
    }),
  },
  AttributesRecorded: {
    v: 1,
    description: 'What is known of the session or its user changed; merged into the context.',
    data: object({ attributes: anyObject, userId: Type.Optional(Type.String()) }),
  },
  ExposureRecorded: {
    v: 1,
    description:
      'A variant of an experiment was shown; `overrides` is what it changes of the session’s steps.',
    data: object({
      experiment: Type.String(),
      variant: Type.String(),
      overrides: Type.Optional(overridesSchema),
    }),
  },
  DifficultyDetected: {
    v: 1,
    description: 'The session was found outside what is usual at a step, by itself; recorded once a step.',
    data: object({
      stepId,
      evidence: Type.Array(
        object({
          measure: Type.Enum(['seconds', 'failedValidations', 'returns']),
          value: Type.Number(),
          limit: Type.Number({ description: 'the 95th percentile of the others' }),
          quantile: Type.Number({ minimum: 0, maximum: 1, description: 'where the value lies among them' }),
          comparedWith: Type.Integer({ minimum: 0, description: 'how many others there are' }),
        }),
        { minItems: 1 },
      ),
    }),
  },
  SessionMigrated: {
    v: 1,
    description:
      'The session moved to another version of its flow; answers follow the mapping of renamed steps.',
    data: object({
      from: Type.Integer({ minimum: 1 }),
      to: Type.Integer({ minimum: 1 }),
      steps: Type.Record(Type.String(), Type.String()),
    }),
  },
} as const satisfies Record<string, EventSchema>

export interface EventSchema {
  /** Current version of the data's shape. */
  readonly v: number
  readonly description: string
  readonly data: Type.TSchema
}

type Schemas = typeof sessionEventSchemas
export type SessionEvent = {
  [T in keyof Schemas]: DomainEvent<T, Static<Schemas[T]['data']>>
}[keyof Schemas]
export type SessionEventOf<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>
