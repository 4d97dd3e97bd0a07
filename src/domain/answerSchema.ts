import type { AnySchemaObject, ErrorObject } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { answerFormats } from './answerFormats.ts'
import type { InputFault } from './decider.ts'
import { compilePattern } from './pattern.ts'
import { schemaErrors } from './schemaErrors.ts'
import { deeperThan, type Schema, unfoldedSize, valuesIn } from './schemaTree.ts'

/** What is checked of an answer at most, in values of the answer times values of the schema. */
const MAX_WORK = 20_000_000
/** The same where every fault is looked for, each of which takes room. */
const MAX_THOROUGH_WORK = 1_000_000
/** What patterns may take in an answer, in characters times steps of the pattern. */
const MAX_PATTERN_WORK = 10_000_000
const MAX_DEPTH = 100

/** A step's JSON Schema, compiled at its first use. */
export interface AnswerSchema {
  /** Every fault of an answer (up to 100), with pointers under `/data`; empty when it is valid. Never throws; bounded in time. */
  faults(data: unknown): InputFault[]
}

export function planAnswerSchema(schema: Schema): AnswerSchema {
  const size = once(() => unfoldedSize(schema))
  const quick = once(() => compileSchema(schema, false))
  const thorough = once(() => compileSchema(schema, true))
  return {
    faults(data) {
      if (deeperThan(data, MAX_DEPTH)) return [tooMuch(`is nested deeper than ${MAX_DEPTH} levels`)]
      const work = valuesIn(data) * size()
      if (work > MAX_WORK) return [tooMuch('is too large to be checked against this schema')]
      const errors = quick()(data)
      if (errors.length === 0) return []
      return schemaErrors(work > MAX_THOROUGH_WORK ? errors : thorough()(data), '/data')
    },
  }
}

/** The faults of a value, in the validator's own form; none when it is valid. */
export type Validate = (data: unknown) => readonly ErrorObject[]

/** Compiles one schema by itself, so that the ids and anchors of one tenant never meet those of another. Throws on an invalid one. */
export function compileSchema(schema: Schema, allErrors: boolean): Validate {
  let patternWork = 0
  const ajv = new Ajv2020({
    allErrors,
    strict: false,
    logger: false,
    meta: false,
    validateSchema: false,
    addUsedSchema: false,
    inlineRefs: false,
    ownProperties: true,
    formats: { ...answerFormats },
    code: { optimize: false, regExp: Object.assign(linearPattern, { code: 'linearPattern' }) },
  })
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: unknown[]) => !wanted || areUnique(items),
    error: { message: 'must NOT have duplicate items' },
  })
  const validate = ajv.compile(withoutId(schema) as AnySchemaObject)
  return (data) => {
    patternWork = 0
    return validate(data) ? [] : (validate.errors ?? [])
  }

  /** Ajv tells patterns apart by their text, hence `toString`. */
  function linearPattern(source: string) {
    const pattern = compilePattern(source)
    if (typeof pattern === 'string') throw new Error(pattern)
    return {
      test(text: string) {
        patternWork += (text.length + 1) * pattern.size
        return patternWork <= MAX_PATTERN_WORK && pattern.test(text)
      },
      toString: () => source,
    }
  }
}

/** An id at the root names the schema elsewhere and means nothing here. */
function withoutId(schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema
  const { $id: _, ...rest } = schema
  return rest
}

function areUnique(items: readonly unknown[]): boolean {
  return new Set(items.map(canonical)).size === items.length
}

/** Equal texts for equal JSON values, whatever the order of members. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}

function tooMuch(detail: string): InputFault {
  return { pointer: '/data', detail }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
