import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import type { EventSchema } from './sessionEvents.ts'

const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })
const version = Type.Integer({ minimum: 1 })
const percent = Type.Integer({ minimum: 0, maximum: 100 })
const currentStep = Type.Union([Type.String(), Type.Null()])
const steps = Type.Array(Type.String())

const migratedSession = object({
  sessionId: Type.String(),
  outcome: Type.Enum(['moved', 'not_in_flight', 'other_version']),
  progress: object({ before: percent, after: percent }),
  currentStep: object({ before: currentStep, after: currentStep }),
  left: steps,
  invalid: steps,
})

/** One stream a migration: `migration-tenant_id`. What happens to the sessions is in their own streams. */
export const migrationEventSchemas = {
  MigrationStarted: {
    v: 1,
    description: 'Sessions in flight are to move from one version of a flow to another.',
    data: object({
      flowId: Type.String(),
      from: version,
      to: version,
      steps: Type.Record(Type.String(), Type.String()),
    }),
  },
  MigrationPlanned: {
    v: 1,
    description: 'What is about to become of some of the sessions.',
    data: object({ sessions: Type.Array(migratedSession) }),
  },
  MigrationCompleted: {
    v: 1,
    description: 'Every session was moved, but for those named here, which changed in the last moment.',
    data: object({ moved: Type.Integer({ minimum: 0 }), stayed: Type.Array(migratedSession) }),
  },
} as const satisfies Record<string, EventSchema>

export type MigratedSession = Static<typeof migratedSession>

type Schemas = typeof migrationEventSchemas
export type MigrationEvent = {
  [T in keyof Schemas]: DomainEvent<T, Static<Schemas[T]['data']>>
}[keyof Schemas]
