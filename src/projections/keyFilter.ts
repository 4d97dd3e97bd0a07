/** A set of keys that takes four to eight bytes for each and may hold one in some ten thousand too many, but never one too few. */
export class KeyFilter {
  /** Hashes by open addressing; 0 is an empty place. */
  #places = new Uint32Array(1 << 16)
  #size = 0

  add(key: string): void {
    if (this.#size * 2 >= this.#places.length) this.#grow()
    if (put(this.#places, hashOf(key))) this.#size += 1
  }

  mayHold(key: string): boolean {
    if (this.#size === 0) return false
    const hash = hashOf(key)
    const mask = this.#places.length - 1
    for (let place = spread(hash) & mask; ; place = (place + 1) & mask) {
      const found = this.#places[place]
      if (found === 0) return false
      if (found === hash) return true
    }
  }

  #grow(): void {
    const places = new Uint32Array(this.#places.length * 2)
    for (const hash of this.#places) if (hash !== 0) put(places, hash)
    this.#places = places
  }
}

function put(places: Uint32Array, hash: number): boolean {
  const mask = places.length - 1
  for (let place = spread(hash) & mask; ; place = (place + 1) & mask) {
    if (places[place] === hash) return false
    if (places[place] !== 0) continue
    places[place] = hash
    return true
  }
}

/** FNV-1a over UTF-16 units, never 0. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash >>> 0 || 1
}

/** FNV's low bits repeat themselves for similar keys. */
function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 8
}
