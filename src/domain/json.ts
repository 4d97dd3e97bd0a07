export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
export type JsonObject = { [key: string]: JsonValue }

/** Whether two JSON values are the same; the order of an object's members does not matter. */
export function jsonEquals(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => jsonEquals(item, b[index]))
  }
  const members = Object.entries(a)
  if (members.length !== Object.keys(b).length) return false
  return members.every(
    ([name, value]) => Object.hasOwn(b, name) && jsonEquals(value, (b as Record<string, unknown>)[name]),
  )
}

/** How deep JSON from outside may be nested: what recurses over it later has stack enough. */
export const MAX_DEPTH = 64

/** Whether a JSON value has more than `levels` levels of arrays and objects. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const name in value)
    if (isDeeperThan((value as Record<string, unknown>)[name], levels - 1)) return true
  return false
}

/** Characters of text in a JSON value, a few for anything else: a measure to keep caches and appends in bounds. */
export function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 8
  let size = 8
  if (Array.isArray(value)) for (const item of value) size += roughSize(item)
  else for (const name in value) size += name.length + 4 + roughSize((value as Record<string, unknown>)[name])
  return size
}
