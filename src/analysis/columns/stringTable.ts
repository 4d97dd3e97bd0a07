import { Growable } from './growable.ts'

/**
 * Strings numbered in the order they are first seen, kept as UTF-8 in one arena with an open-addressing hash over it: some 50
 * bytes for a UUID, where a Map of strings needs 150 and slows the garbage collector.
 */
export class StringTable {
  #arena: Uint8Array = new Uint8Array(1024)
  #end = 0
  /** End of each string in the arena. */
  readonly #ends = new Growable((length) => new Float64Array(length))
  #slots = new Int32Array(1024).fill(-1)
  #scratch = new Uint8Array(1024)

  get size(): number {
    return this.#ends.length
  }

  get bytes(): number {
    return this.#arena.byteLength + this.#ends.bytes + this.#slots.byteLength
  }

  /** The string's number, given one when it is new. */
  add(text: string): number {
    const length = this.#encode(text)
    const slot = this.#find(length)
    const known = this.#slots[slot]!
    if (known >= 0) return known
    const id = this.#ends.length
    this.#append(length)
    this.#slots[slot] = id
    if (this.#ends.length * 2 > this.#slots.length) this.#rehash()
    return id
  }

  /** The string's number, or −1. */
  find(text: string): number {
    return this.#slots[this.#find(this.#encode(text))]!
  }

  text(id: number): string {
    return decoder.decode(this.#arena.subarray(this.#start(id), this.#ends.items[id]!))
  }

  /** The table as two columns, for a file. */
  columns(): { arena: Uint8Array; ends: Float64Array } {
    return { arena: this.#arena.subarray(0, this.#end), ends: this.#ends.used() }
  }

  static of({ arena, ends }: { arena: Uint8Array; ends: Float64Array }): StringTable {
    const table = new StringTable()
    table.#arena = arena
    table.#end = arena.length
    for (const end of ends) table.#ends.push(end)
    let slots = 1024
    while (slots < ends.length * 2) slots *= 2
    table.#slots = new Int32Array(slots >> 1)
    table.#rehash()
    return table
  }

  #start(id: number): number {
    return id === 0 ? 0 : this.#ends.items[id - 1]!
  }

  #encode(text: string): number {
    if (this.#scratch.length < text.length * 3) this.#scratch = new Uint8Array(text.length * 6)
    return encoder.encodeInto(text, this.#scratch).written
  }

  #append(length: number): void {
    if (this.#end + length > this.#arena.length) {
      const grown = new Uint8Array(Math.max(this.#arena.length * 2, this.#end + length))
      grown.set(this.#arena.subarray(0, this.#end))
      this.#arena = grown
    }
    this.#arena.set(this.#scratch.subarray(0, length), this.#end)
    this.#end += length
    this.#ends.push(this.#end)
  }

  /** The slot that holds the scratch's first bytes, or the free one where they belong. */
  #find(length: number): number {
    const mask = this.#slots.length - 1
    let slot = hash(this.#scratch, 0, length) & mask
    for (;;) {
      const id = this.#slots[slot]!
      if (id < 0 || this.#equals(id, length)) return slot
      slot = (slot + 1) & mask
    }
  }

  #equals(id: number, length: number): boolean {
    const start = this.#start(id)
    if (this.#ends.items[id]! - start !== length) return false
    for (let i = 0; i < length; i++) if (this.#arena[start + i] !== this.#scratch[i]) return false
    return true
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let id = 0; id < this.#ends.length; id++) {
      let slot = hash(this.#arena, this.#start(id), this.#ends.items[id]!) & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = id
    }
    this.#slots = slots
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** FNV-1a with a final mix, so that ids which differ in their last digits spread. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let h = 0x811c9dc5
  for (let i = from; i < to; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  return (h ^ (h >>> 13)) >>> 0
}
