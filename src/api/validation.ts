import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import type { InputFault } from '../domain/decider.ts'
import { shapeFaults } from '../domain/shapeFaults.ts'
import { escapeToken, hostileParts } from './hostileText.ts'
import { inputFaults } from './problem.ts'

// All faults at once, as far as anybody could read them.
Settings.Set({ maxErrors: 200 })

/** Fastify's validator: compiled once a route, nothing coerced, nothing taken away, every fault with its pointer. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) =>
  httpPart === 'querystring' ? queryValidator(schema) : bodyValidator(schema)

/** What the body `null` is parsed to: Fastify hands `null` to a validator when there is no body at all. */
export const JSON_NULL = Symbol('null')

type Validate = (value: unknown) => { value: unknown } | { error: Error }

function bodyValidator(schema: TSchema): Validate {
  const validator = Compile(schema)
  const mayBeLeftOut = isObject(schema) && (schema.required ?? []).length === 0
  return (given) => {
    const value = given === null && mayBeLeftOut ? {} : given
    if (value === null) return { error: inputFaults([{ pointer: '', detail: 'A body is needed.' }]) }
    if (value === JSON_NULL) return { error: inputFaults([{ pointer: '', detail: 'must not be null' }]) }
    const hostile = hostileParts(value)
    // A value that is nested too deeply is not for recursive checks.
    if (hostile.length === 0 && validator.Check(value)) return { value }
    const deep = hostile.some((fault) => fault.detail.includes('levels deep'))
    return { error: inputFaults([...(deep ? [] : shapeFaults(validator.Errors(value))), ...hostile]) }
  }
}

/**
 * A query string's values are texts; a parameter that is declared a number or a boolean is read as one, if it is written as
 * JSON would write it. A parameter given twice, or one nobody knows, is a fault.
 */
function queryValidator(schema: TSchema): Validate {
  const validator = Compile(schema)
  const properties = isObject(schema) ? (schema.properties ?? {}) : {}
  const readers = new Map(Object.entries(properties).map(([name, property]) => [name, readerOf(property)]))
  return (given) => {
    const value: Record<string, unknown> = {}
    const faults: InputFault[] = []
    for (const [name, text] of Object.entries(given as Record<string, unknown>)) {
      if (typeof text === 'string' && isPlain(text)) value[name] = readers.get(name)?.(text) ?? text
      else faults.push({ pointer: `/${escapeToken(name)}`, detail: 'must be given once, as plain text' })
    }
    if (faults.length === 0 && validator.Check(value)) return { value }
    for (const fault of shapeFaults(validator.Errors(value)))
      if (!faults.some(({ pointer }) => pointer === fault.pointer)) faults.push(fault)
    return { error: inputFaults(faults, 'The query string has faults; errors point at its parameters.') }
  }
}

function readerOf(schema: TSchema): (text: string) => unknown {
  const type = (schema as { type?: string }).type
  if (type === 'integer' || type === 'number')
    return (text) => (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text)
  if (type === 'boolean') return (text) => (text === 'true' ? true : text === 'false' ? false : text)
  return (text) => text
}

/** Text that every part behind can hold: no control characters, nothing that is no Unicode. */
export function isPlain(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  return text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)
}

interface ObjectSchema {
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, TSchema>>
}

function isObject(schema: TSchema): schema is TSchema & ObjectSchema {
  return (schema as { type?: string }).type === 'object'
}
