/** The subschemas of a JSON Schema 2020-12: where they stand, what they refer to, and how large they are with references unfolded. */

export type Schema = boolean | { readonly [keyword: string]: unknown }

export interface Placed {
  /** JSON Pointer (RFC 6901) from the root of the schema. */
  readonly pointer: string
  readonly schema: Schema
}

/** `dependencies` and `definitions` are of earlier drafts; the validator still knows them. */
const ONE = new Set(
  'additionalProperties unevaluatedProperties items unevaluatedItems contains propertyNames not if then else'.split(
    ' ',
  ),
)
const LIST = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const MAP = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  'dependencies',
  '$defs',
  'definitions',
])

/** A schema and all schemas in it, each once. */
export function* subschemas(root: Placed): IterableIterator<Placed> {
  const waiting = [root]
  while (waiting.length > 0) {
    const next = waiting.pop()!
    yield next
    waiting.push(...children(next).reverse())
  }
}

/** The schemas right inside a schema. */
function children({ pointer, schema }: Placed): Placed[] {
  if (typeof schema === 'boolean') return []
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const at = `${pointer}/${escaped(keyword)}`
    if (ONE.has(keyword)) return isSchema(value) ? [{ pointer: at, schema: value }] : []
    if (LIST.has(keyword)) return Array.isArray(value) ? placed(Object.entries(value), at) : []
    if (MAP.has(keyword) && isObject(value)) return placed(Object.entries(value), at)
    return []
  })
}

function placed(entries: [string, unknown][], at: string): Placed[] {
  return entries.flatMap(([name, schema]) =>
    isSchema(schema) ? [{ pointer: `${at}/${escaped(name)}`, schema }] : [],
  )
}

/** Finds what a reference inside a schema points at: `#`, `#/a/pointer` to a schema, or `#anchor`; undefined for anything else. */
export function referencesIn(root: Schema): (reference: string) => Schema | undefined {
  const targets = new Map<string, Schema>()
  for (const { pointer, schema } of subschemas({ pointer: '', schema: root })) {
    targets.set(`#${pointer}`, schema)
    if (typeof schema === 'object' && schema.$anchor !== undefined) targets.set(`#${schema.$anchor}`, schema)
  }
  return (reference) => {
    try {
      return targets.get(decodeURIComponent(reference))
    } catch {
      return undefined
    }
  }
}

/**
 * The number of JSON values in a schema when every reference is replaced by what it refers to; infinite when a schema contains itself.
 * Checking an instance of n values costs at most n times as many steps. `parts` leaves out the values that `enum` and `const` list.
 */
export function unfoldedSize(root: Schema, count: 'all' | 'parts' = 'all'): number {
  const target = referencesIn(root)
  const known = new Map<Schema, number>()
  const inside = new Set<Schema>()
  const size = (placed: Placed): number => {
    const { schema } = placed
    if (typeof schema === 'boolean') return 1
    const before = known.get(schema)
    if (before !== undefined) return before
    if (inside.has(schema)) return Number.POSITIVE_INFINITY
    inside.add(schema)
    let total = 1
    for (const [keyword, value] of Object.entries(schema)) {
      if (ONE.has(keyword) || LIST.has(keyword) || (MAP.has(keyword) && keyword !== 'dependencies')) continue
      total += count === 'parts' && (keyword === 'enum' || keyword === 'const') ? 1 : valuesIn(value)
    }
    for (const child of children(placed)) {
      if (!/^\/(\$defs|definitions)\//.test(child.pointer.slice(placed.pointer.length))) total += size(child)
    }
    const referred = typeof schema.$ref === 'string' ? target(schema.$ref) : undefined
    if (referred !== undefined) total += size({ pointer: '', schema: referred })
    inside.delete(schema)
    known.set(schema, total)
    return total
  }
  return size({ pointer: '', schema: root })
}

/** JSON values in a value, itself included. */
export function valuesIn(root: unknown): number {
  let count = 0
  const waiting = [root]
  while (waiting.length > 0) {
    const value = waiting.pop()
    count += 1
    if (typeof value === 'object' && value !== null)
      for (const member of Object.values(value)) waiting.push(member)
  }
  return count
}

/** Whether a value is nested deeper than some levels; a scalar is level 0. */
export function deeperThan(root: unknown, levels: number): boolean {
  if (typeof root !== 'object' || root === null) return false
  if (levels <= 0) return true
  for (const value of Object.values(root))
    if (typeof value === 'object' && value !== null && deeperThan(value, levels - 1)) return true
  return false
}

export function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'boolean' || isObject(value)
}

function isObject(value: unknown): value is { readonly [keyword: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
