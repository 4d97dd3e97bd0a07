/** The typed arrays that columns are made of. */
export type Column = Uint8Array | Uint32Array | Int32Array | Float64Array

/** Arrays over shared memory: worker threads read them without a copy. */
export const sharedUint8 = (length: number) => new Uint8Array(new SharedArrayBuffer(length))
export const sharedUint32 = (length: number) => new Uint32Array(new SharedArrayBuffer(length * 4))
export const sharedInt32 = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4))
export const sharedFloat64 = (length: number) => new Float64Array(new SharedArrayBuffer(length * 8))

/** A typed array that grows at its end by doubling. `items` is longer than `length`: what lies beyond is `filler`. */
export class Growable<A extends Column> {
  items: A
  length = 0
  readonly #make: (length: number) => A
  readonly #filler: number

  constructor(make: (length: number) => A, filler = 0) {
    this.#make = make
    this.#filler = filler
    this.items = make(0)
  }

  push(value: number): void {
    if (this.length === this.items.length) this.reserve(this.length + 1)
    this.items[this.length++] = value
  }

  /** Writes at an index of any size; what is skipped holds the filler. */
  set(index: number, value: number): void {
    if (index >= this.items.length) this.reserve(index + 1)
    this.items[index] = value
    if (index >= this.length) this.length = index + 1
  }

  get(index: number): number {
    return index < this.length ? this.items[index]! : this.#filler
  }

  /** Room for at least `length` items. */
  reserve(length: number): void {
    if (length <= this.items.length) return
    const grown = this.#make(Math.max(length, this.items.length * 2, 64))
    grown.set(this.items as never)
    if (this.#filler !== 0) grown.fill(this.#filler, this.items.length)
    this.items = grown
  }

  clear(): void {
    this.items = this.#make(0)
    this.length = 0
  }

  /** The items without the room behind them; shares their memory. */
  used(): A {
    return this.items.subarray(0, this.length) as A
  }

  get bytes(): number {
    return this.items.byteLength
  }
}
