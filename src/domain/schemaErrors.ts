import type { ErrorObject } from 'ajv'
import type { InputFault } from './decider.ts'
import { escaped } from './schemaTree.ts'

const MAX_FAULTS = 100

/** The validator's errors as faults with pointers that continue `prefix`; each once, at most 100. */
export function schemaErrors(errors: readonly ErrorObject[], prefix: string): InputFault[] {
  const telling = errors.filter(({ keyword }) => keyword !== 'if')
  const faults = new Map<string, InputFault>()
  for (const error of telling.length > 0 ? telling : errors) {
    if (faults.size === MAX_FAULTS) break
    const member = memberNamed(error)
    const pointer = member === undefined ? error.instancePath : `${error.instancePath}/${escaped(member)}`
    const found = { pointer: prefix + pointer, detail: detail(error) }
    faults.set(`${pointer} ${found.detail}`, found)
  }
  return [...faults.values()]
}

/** The member that a fault of an object is about: faults of what is missing or too much point at it, not at the object. */
function memberNamed({ params }: ErrorObject): string | undefined {
  return (
    params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty ?? params.propertyName
  )
}

function detail({ keyword, message, params }: ErrorObject): string {
  const text = message ?? keyword
  if (keyword !== 'enum' && keyword !== 'const') return text
  const allowed = JSON.stringify(keyword === 'enum' ? params.allowedValues : params.allowedValue)
  return allowed.length <= 300 ? `${text}: ${allowed}` : text
}
