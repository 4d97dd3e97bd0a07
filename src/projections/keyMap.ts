import { entryOf } from './entry.ts'
import type { RowKey } from './projection.ts'

type Level<Value> = Map<string | number, Level<Value> | Value>

/** Values by keys of one length, part by part: quicker than by one text of all parts, which would have to be made first. */
export class KeyMap<Value extends object> {
  readonly #root: Level<Value> = new Map()
  readonly #values: Value[] = []

  /** The value of a key, made when missing. */
  entry(key: RowKey, make: () => Value): Value {
    let level = this.#root
    const last = key.length - 1
    for (let part = 0; part < last; part++)
      level = entryOf(level, key[part]!, () => new Map()) as Level<Value>
    const found = level.get(key[last]!)
    if (found !== undefined) return found as Value
    const made = make()
    level.set(key[last]!, made)
    this.#values.push(made)
    return made
  }

  /** In the order in which they were made. */
  get values(): readonly Value[] {
    return this.#values
  }
}
