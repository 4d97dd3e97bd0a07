import Type, { type Static } from 'typebox'

/** What a variant changes of the flow's steps: fields by step id, merged over the step as published. */
export const overridesSchema = Type.Object(
  { steps: Type.Record(Type.String({ maxLength: 100 }), Type.Record(Type.String(), Type.Unknown())) },
  { additionalProperties: false },
)

export type Overrides = Static<typeof overridesSchema>
