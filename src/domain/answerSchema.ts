import { Ajv2020 } from 'ajv/dist/2020.js'
import type { InputFault } from './decider.ts'

/** A step's JSON Schema, compiled at its first use. */
export interface AnswerSchema {
  /** Every fault of an answer, with pointers under `/data`; empty when it is valid. */
  faults(data: unknown): InputFault[]
}

export function planAnswerSchema(schema: object | boolean): AnswerSchema {
  let validate: ReturnType<Ajv2020['compile']> | undefined
  return {
    faults(data) {
      validate ??= new Ajv2020({ allErrors: true, strict: false, logger: false }).compile(schema)
      if (validate(data)) return []
      return (validate.errors ?? []).map((error) => ({
        pointer: `/data${error.instancePath}`,
        detail: error.message ?? error.keyword,
      }))
    },
  }
}
