import type { TLocalizedValidationError } from 'typebox/error'
import type { InputFault } from './decider.ts'
import { escaped } from './schemaTree.ts'

/** What a validator found, each fault at the place it is about: a missing or unknown member points at the member. */
export function shapeFaults(errors: readonly TLocalizedValidationError[]): InputFault[] {
  const faults = new Map<string, InputFault>()
  const add = (pointer: string, detail: string) => {
    if (!faults.has(pointer)) faults.set(pointer, { pointer, detail })
  }
  for (const error of errors) {
    const { instancePath, keyword, message, params } = error
    // Of a member that nothing is said about: it is held to the schema `false`, and so said twice.
    if (keyword === 'boolean') add(instancePath, UNKNOWN)
    else if (keyword === 'additionalProperties')
      for (const name of (params as { additionalProperties: string[] }).additionalProperties)
        add(`${instancePath}/${escaped(name)}`, UNKNOWN)
    else if (keyword === 'required')
      for (const name of (params as { requiredProperties: string[] }).requiredProperties)
        add(`${instancePath}/${escaped(name)}`, 'is missing')
    else if (keyword === 'enum')
      add(instancePath, `must be ${inWords((params as { allowedValues: unknown[] }).allowedValues)}`)
    else if (keyword !== 'const' || !hasUnion(errors, instancePath)) add(instancePath, message)
    else add(instancePath, `must be ${allowed(errors, instancePath)}`)
  }
  return [...faults.values()]
}

const UNKNOWN = 'is not known here'

const hasUnion = (errors: readonly TLocalizedValidationError[], at: string) =>
  errors.some((error) => error.keyword === 'anyOf' && error.instancePath === at)

function allowed(errors: readonly TLocalizedValidationError[], at: string): string {
  const values = errors
    .filter((error) => error.keyword === 'const' && error.instancePath === at)
    .map((error) => (error.params as { allowedValue: unknown }).allowedValue)
  return inWords(values)
}

const inWords = (values: readonly unknown[]) =>
  [...new Set(values.map((value) => JSON.stringify(value)))].join(' or ')
