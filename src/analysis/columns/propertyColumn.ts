import { Growable, sharedInt32, sharedUint32 } from './growable.ts'
import { MISSING, ValueDictionary } from './valueDictionary.ts'

/** One property of events: the rows that have it, ascending, and their values' codes. */
export class PropertyColumn {
  readonly dictionary = new ValueDictionary()
  readonly row = new Growable(sharedUint32)
  readonly code = new Growable(sharedInt32)

  record(row: number, value: unknown): void {
    this.restore(row, this.dictionary.add(value))
  }

  /** As `record`, of a code that the dictionary holds already. */
  restore(row: number, code: number): void {
    this.row.push(row)
    this.code.push(code)
  }

  /** The code of each of `rows` rows, MISSING where an event has no such property. */
  dense(rows: number): Int32Array {
    const codes = new Int32Array(rows).fill(MISSING)
    const { row, code } = this
    for (let i = 0; i < row.length; i++) codes[row.items[i]!] = code.items[i]!
    return codes
  }

  get bytes(): number {
    return this.row.bytes + this.code.bytes
  }
}
