import type { CelType } from '@bufbuild/cel'

/** What is known of a value before it is there: CEL's name of its type, or `dyn` where only running tells. */
export type Kind = string

export const NUMBERS: ReadonlySet<Kind> = new Set(['int', 'uint', 'double'])
export const TYPES: ReadonlySet<string> = new Set([
  'int',
  'uint',
  'double',
  'bool',
  'string',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
])

export function fits(given: Kind, parameter: Kind): boolean {
  return given === parameter || given === 'dyn' || parameter === 'dyn'
}

/** Numbers of all kinds compare with each other; null compares with everything, since any member of a JSON object may be null. */
export function comparable(a: Kind, b: Kind): boolean {
  return fits(a, b) || a === 'null_type' || b === 'null_type' || (NUMBERS.has(a) && NUMBERS.has(b))
}

export function constantKind(constant: string | undefined): Kind {
  switch (constant) {
    case 'boolValue':
      return 'bool'
    case 'bytesValue':
      return 'bytes'
    case 'doubleValue':
      return 'double'
    case 'int64Value':
      return 'int'
    case 'uint64Value':
      return 'uint'
    case 'stringValue':
      return 'string'
    case 'nullValue':
      return 'null_type'
    default:
      return 'dyn'
  }
}

export function kindOfType(type: CelType): Kind {
  return type.kind === 'object' ? type.name.replace('google.protobuf.', '').toLowerCase() : type.name
}

/** A kind with its article. */
export function an(kind: Kind): string {
  return kind === 'int' ? 'an int' : `a ${kind}`
}

/** `_+_` → `+`, `@in` → `in`. */
export function plain(name: string): string {
  return name.replace(/^@/, '').replaceAll('_', '') || name
}
