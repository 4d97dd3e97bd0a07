import type Type from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { definitionEventSchemas } from '../domain/definitionEvents.ts'
import { assignmentEventSchemas, experimentEventSchemas } from '../domain/experimentEvents.ts'
import { flowEventSchemas } from '../domain/flowEvents.ts'
import { importEventSchemas } from '../domain/importEvents.ts'
import { migrationEventSchemas } from '../domain/migrationEvents.ts'
import { modelEventSchemas } from '../domain/modelEvents.ts'
import { type EventSchema, sessionEventSchemas } from '../domain/sessionEvents.ts'

/** One type of event, as the log knows it. */
export interface CatalogueEntry extends EventSchema {
  readonly type: string
  /** The category of the streams that it is found in. */
  readonly category: string
}

const schemas: Readonly<Record<string, Readonly<Record<string, EventSchema>>>> = {
  session: sessionEventSchemas,
  flow: flowEventSchemas,
  import: importEventSchemas,
  migration: migrationEventSchemas,
  experiment: experimentEventSchemas,
  assignment: assignmentEventSchemas,
  definition: definitionEventSchemas,
  model: modelEventSchemas,
}

/** Every event type there is, by its name; docs/events.md is made from it. */
export const catalogue: ReadonlyMap<string, CatalogueEntry> = new Map(
  Object.entries(schemas).flatMap(([category, events]) =>
    Object.entries(events).map(([type, schema]) => [type, { type, category, ...schema }] as const),
  ),
)

const validators = new Map<string, Validator>()

/** The compiled check of a type's data, in its current version; undefined for a type that is not in the catalogue. */
export function dataValidator(type: string): Validator | undefined {
  let validator = validators.get(type)
  if (!validator) {
    const entry = catalogue.get(type)
    if (!entry) return undefined
    validator = Compile(entry.data) as Validator
    validators.set(type, validator)
  }
  return validator
}

/**
 * JSON Pointers of the fields that an event's data schema marks `"x-personal": true`, `*` standing for any item or
 * member. They are what concerns one person and must be unreadable once that person is forgotten.
 */
export function personalFields(data: Type.TSchema): readonly string[] {
  return marked(data, '')
}

function marked(schema: unknown, pointer: string): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { 'x-personal': personal, properties, items, patternProperties, anyOf, allOf } = schema as Marks
  if (personal === true) return [pointer]
  return [
    ...Object.entries(properties ?? {}).flatMap(([name, member]) =>
      marked(member, `${pointer}/${escapeToken(name)}`),
    ),
    ...Object.values(patternProperties ?? {}).flatMap((member) => marked(member, `${pointer}/*`)),
    ...marked(items, `${pointer}/*`),
    ...[...(anyOf ?? []), ...(allOf ?? [])].flatMap((part) => marked(part, pointer)),
  ]
}

interface Marks {
  readonly 'x-personal'?: boolean
  readonly properties?: Readonly<Record<string, Type.TSchema>>
  readonly patternProperties?: Readonly<Record<string, Type.TSchema>>
  readonly items?: Type.TSchema
  readonly anyOf?: readonly Type.TSchema[]
  readonly allOf?: readonly Type.TSchema[]
}

/** RFC 6901 §3. */
function escapeToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
