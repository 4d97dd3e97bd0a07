/** The code of null and of what is missing. */
export const MISSING = -1

/** JSON values numbered in the order they are first seen. Null is MISSING; objects and arrays are known by their JSON. */
export class ValueDictionary {
  readonly values: unknown[] = []
  readonly #codes = new Map<unknown, number>()
  readonly #structured = new Map<string, number>()

  /** The value's code, given one when it is new. */
  add(value: unknown): number {
    const known = this.find(value)
    if (known !== undefined) return known
    const code = this.values.length
    this.values.push(value)
    if (typeof value === 'object') this.#structured.set(JSON.stringify(value), code)
    else this.#codes.set(value, code)
    return code
  }

  /** The value's code, or undefined when it was never seen. */
  find(value: unknown): number | undefined {
    if (value === null || value === undefined) return MISSING
    if (typeof value === 'object') return this.#structured.get(JSON.stringify(value))
    return this.#codes.get(value)
  }

  /** The value of a code; null for MISSING. */
  value(code: number): unknown {
    return code === MISSING ? null : this.values[code]
  }
}
