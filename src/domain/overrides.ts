import Type, { type Static } from 'typebox'

/** What a variant changes of the flow's steps: fields by step id, merged over the step as published. */
export const overridesSchema = Type.Object(
  { steps: Type.Record(Type.String({ maxLength: 100 }), Type.Record(Type.String(), Type.Unknown())) },
  { additionalProperties: false },
)

export type Overrides = Static<typeof overridesSchema>

/** The same changes after steps got other names: of the steps themselves, and where one depends on them. */
export function renamedOverrides({ steps }: Overrides, mapping: Readonly<Record<string, string>>): Overrides {
  const named = (id: string) => (Object.hasOwn(mapping, id) ? mapping[id]! : id)
  const kept = Object.entries(steps).filter(([id]) => !Object.hasOwn(mapping, id))
  const moved = Object.entries(steps).filter(([id]) => Object.hasOwn(mapping, id))
  // What was renamed comes last: it takes the place of a step that left the flow.
  return {
    steps: Object.fromEntries(
      [...kept, ...moved].map(([id, fields]) => {
        const { dependsOn } = fields
        return [named(id), Array.isArray(dependsOn) ? { ...fields, dependsOn: dependsOn.map(named) } : fields]
      }),
    ),
  }
}
