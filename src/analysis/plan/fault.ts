/** Something wrong with a query: where, as a JSON pointer into its body, and what. */
export interface Fault {
  readonly pointer: string
  readonly detail: string
}

/** Collects every fault of one query; `at` narrows the pointer. */
export class Faults {
  readonly list: Fault[]
  readonly #pointer: string

  constructor(pointer = '', list: Fault[] = []) {
    this.#pointer = pointer
    this.list = list
  }

  at(...path: readonly (string | number)[]): Faults {
    const tail = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
    return new Faults(this.#pointer + tail, this.list)
  }

  add(detail: string): undefined {
    this.list.push({ pointer: this.#pointer, detail })
    return undefined
  }
}
