import { Ajv2020 } from 'ajv/dist/2020.js'
import { compileSchema } from './answerSchema.ts'
import type { InputFault } from './decider.ts'
import { compilePattern } from './pattern.ts'
import { schemaErrors } from './schemaErrors.ts'
import { deeperThan, escaped, referencesIn, type Schema, subschemas, unfoldedSize } from './schemaTree.ts'

const MAX_BYTES = 65_536
const MAX_DEPTH = 64
/** Values of a schema with its references unfolded, listed values of `enum` not counted: compiling it takes time quadratic in some. */
const MAX_SIZE = 2000
const MAX_LISTED = 100
const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
/** Keywords that change how the rest is read, or when; nobody needs them in an answer's schema. */
const REFUSED = ['$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$recursiveAnchor', '$async', 'id']

const meta = new Ajv2020({ allErrors: true, strict: false, logger: false, formats: { regex: true } })

/**
 * What is wrong with the JSON Schema (2020-12) of a step's answers, with pointers that continue `pointer`. Schemas come from tenants: one
 * that is not bounded in size, depth and time, or reaches outside itself, is a fault too.
 */
export function answerSchemaFaults(schema: Schema, pointer: string): InputFault[] {
  const at = (place: string, detail: string): InputFault => ({ pointer: pointer + place, detail })
  if (deeperThan(schema, MAX_DEPTH)) return [at('', `is nested deeper than ${MAX_DEPTH} levels`)]
  const bytes = Buffer.byteLength(JSON.stringify(schema))
  if (bytes > MAX_BYTES) return [at('', `has ${bytes} bytes, at most ${MAX_BYTES}`)]
  if (typeof schema === 'object' && schema.$schema !== undefined && !isDraft(schema.$schema)) {
    return [at('/$schema', `is not JSON Schema 2020-12 (${DRAFT})`)]
  }
  if (!meta.validateSchema(schema as object)) {
    const errors = meta.errors ?? []
    return schemaErrors(
      errors.filter(({ keyword }) => keyword !== 'anyOf'),
      pointer,
    )
  }
  const target = referencesIn(schema)
  const faults = [...subschemas({ pointer: '', schema })].flatMap((placed) =>
    ownFaults(target, placed.schema, placed.pointer).map(([place, detail]) =>
      at(placed.pointer + place, detail),
    ),
  )
  if (faults.length > 0) return faults.slice(0, 100)
  const size = unfoldedSize(schema, 'parts')
  if (size === Number.POSITIVE_INFINITY)
    return [at('', 'refers to itself: an answer’s schema may not be recursive')]
  if (size > MAX_SIZE) return [at('', `unfolds to ${size} values, at most ${MAX_SIZE}`)]
  try {
    compileSchema(schema, false)
    return []
  } catch (error) {
    return [at('', (error as Error).message.slice(0, 300))]
  }
}

function isDraft(name: unknown): boolean {
  return name === DRAFT || name === `${DRAFT}#`
}

/** Faults of one schema by itself, those of the schemas in it apart. */
function ownFaults(
  target: ReturnType<typeof referencesIn>,
  schema: Schema,
  pointer: string,
): [place: string, detail: string][] {
  if (typeof schema === 'boolean') return []
  const faults: [string, string][] = []
  for (const keyword of REFUSED) {
    if (Object.hasOwn(schema, keyword)) faults.push([`/${keyword}`, 'is not taken here'])
  }
  if (schema.$id !== undefined && pointer !== '') {
    faults.push(['/$id', 'stands inside another schema'])
  }
  if (typeof schema.$ref === 'string' && target(schema.$ref) === undefined) {
    faults.push([
      '/$ref',
      schema.$ref.startsWith('#') ? 'points at nothing' : 'points outside the schema; only #… is taken',
    ])
  }
  return [...faults, ...patternFaults(schema), ...nameFaults(schema), ...lengthFaults(schema)]
}

function patternFaults(schema: Exclude<Schema, boolean>): [string, string][] {
  const patterns: [string, unknown][] = [['/pattern', schema.pattern]]
  for (const name of Object.keys(schema.patternProperties ?? {})) {
    patterns.push([`/patternProperties/${escaped(name)}`, name])
  }
  return patterns.flatMap(([place, source]): [string, string][] => {
    const pattern = typeof source === 'string' ? compilePattern(source) : undefined
    return typeof pattern === 'string' ? [[place, pattern]] : []
  })
}

/** The validator passes over a property of this name without a word, so nothing about it would be checked. */
function nameFaults(schema: Exclude<Schema, boolean>): [string, string][] {
  const places = ['properties', 'dependentSchemas', 'dependentRequired', 'dependencies'].flatMap((keyword) =>
    Object.hasOwn(schema[keyword] ?? {}, '__proto__') ? [`/${keyword}/__proto__`] : [],
  )
  if (Array.isArray(schema.required) && schema.required.includes('__proto__')) places.push('/required')
  return places.map((place) => [place, 'a property may not be named __proto__'])
}

/** Compiling these takes time quadratic in their length. */
function lengthFaults(schema: Exclude<Schema, boolean>): [string, string][] {
  const faults: [string, string][] = []
  if (Object.keys(schema.patternProperties ?? {}).length > MAX_LISTED) {
    faults.push(['/patternProperties', `has more than ${MAX_LISTED} patterns`])
  }
  for (const keyword of ['dependentRequired', 'dependencies']) {
    for (const [name, needed] of Object.entries(schema[keyword] ?? {})) {
      if (!Array.isArray(needed) || needed.length <= MAX_LISTED) continue
      faults.push([`/${keyword}/${escaped(name)}`, `lists more than ${MAX_LISTED} names`])
    }
  }
  return faults
}
