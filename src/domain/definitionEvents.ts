import Type, { type Static } from 'typebox'
import type { DomainEvent } from './envelope.ts'
import type { EventSchema } from './sessionEvents.ts'

/** What analysts save: queries kept current as read models, and segments used by other queries. */
export const definitionKinds = ['funnel', 'retention', 'segment'] as const
export type DefinitionKind = (typeof definitionKinds)[number]

const object = <P extends Type.TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })
const kind = Type.Enum([...definitionKinds])
const key = Type.String()

/** One stream a definition: `definition-tenant_kind:key`. */
export const definitionEventSchemas = {
  DefinitionSaved: {
    v: 1,
    description: 'A funnel, retention or segment was saved or replaced.',
    data: object({ kind, key, definition: Type.Record(Type.String(), Type.Unknown()) }),
  },
  DefinitionDeleted: { v: 1, description: 'A saved definition was deleted.', data: object({ kind, key }) },
} as const satisfies Record<string, EventSchema>

type Schemas = typeof definitionEventSchemas
export type DefinitionEvent = {
  [T in keyof Schemas]: DomainEvent<T, Static<Schemas[T]['data']>>
}[keyof Schemas]
