import Type from 'typebox'
import type { JsonObject } from '../domain/json.ts'

/** How data of an earlier shape becomes the next one's. Pure and total: what is stored is never refused. */
export interface Upcaster {
  /** The version it takes; it makes the one after. */
  readonly from: number
  readonly description: string
  /** The shape it takes, for the catalogue. */
  readonly data: Type.TSchema
  readonly upcast: (data: JsonObject) => JsonObject
}

/** By event type, in order of version and without gaps up to the current one. */
export const upcasters: Readonly<Record<string, readonly Upcaster[]>> = {
  StepValidationFailed: [
    {
      from: 1,
      description: 'Faults were plain texts; they had no pointer to the field.',
      data: Type.Object(
        { stepId: Type.String({ minLength: 1, maxLength: 200 }), errors: Type.Array(Type.String()) },
        { additionalProperties: false },
      ),
      upcast: ({ errors, ...data }) => ({
        ...data,
        errors: (errors as string[]).map((detail) => ({ pointer: '', detail })),
      }),
    },
  ],
}

/** The data in its current shape. A version newer than ours is left as it is: a newer node wrote it. */
export function upcast(type: string, v: number, data: JsonObject): JsonObject {
  let current = data
  for (const step of upcasters[type] ?? []) if (step.from >= v) current = step.upcast(current)
  return current
}
