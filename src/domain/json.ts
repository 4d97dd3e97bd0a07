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
