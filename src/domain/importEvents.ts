import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import type { EventSchema } from './sessionEvents.ts'

const count = Type.Integer({ minimum: 0 })

export const importEventSchemas = {
  ImportStarted: {
    v: 1,
    description: 'A history import began; what it takes in is recorded in the streams of its sessions.',
    data: Type.Object({ importId: Type.String(), flowId: Type.String() }, { additionalProperties: false }),
  },
  ImportCompleted: {
    v: 1,
    description: 'A history import was read to its end. `bodyHash` is the SHA-256 (hex) of the bytes read.',
    data: Type.Object(
      {
        importId: Type.String(),
        flowId: Type.String(),
        rows: count,
        sessions: count,
        events: count,
        rejectedCount: count,
        rejected: Type.Array(
          Type.Object(
            { line: Type.Integer({ minimum: 1 }), code: Type.String(), detail: Type.String() },
            { additionalProperties: false },
          ),
        ),
        bodyHash: Type.String(),
      },
      { additionalProperties: false },
    ),
  },
} as const satisfies Record<string, EventSchema>

type Schemas = typeof importEventSchemas
export type ImportEvent = {
  [T in keyof Schemas]: DomainEvent<T, Static<Schemas[T]['data']>>
}[keyof Schemas]
