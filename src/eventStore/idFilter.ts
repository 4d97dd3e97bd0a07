const BITS = 28
const PROBES = 5

/**
 * A Bloom filter (Burton Bloom, 1970) over (stream, event id): whether a pair may have been seen before. It never misses a
 * repeat; of ten million events that do not repeat it suspects about one in 7,000. 32 MiB, however many events come.
 */
export function createIdFilter(): { seen(id: string, stream: number): boolean } {
  const words = new Uint32Array(2 ** BITS / 32)
  const mask = 2 ** BITS - 1
  return {
    seen(id, stream) {
      // Two hashes give any number of probes (Kirsch and Mitzenmacher, 2006).
      const a = mix(hex(id, 28) ^ Math.imul(stream, 0x9e3779b1))
      const b = mix(hex(id, 0) + hex(id, 24) + stream) | 1
      let known = true
      for (let i = 0; i < PROBES; i++) {
        const bit = (a + Math.imul(i, b)) & mask
        const word = bit >>> 5
        const flag = 1 << (bit & 31)
        if ((words[word]! & flag) === 0) {
          known = false
          words[word]! |= flag
        }
      }
      return known
    },
  }
}

/** Eight hex digits as 32 bits. */
function hex(text: string, from: number): number {
  let value = 0
  for (let i = from; i < from + 8; i++) {
    const code = text.charCodeAt(i)
    value = (value << 4) | (code > 57 ? (code | 32) - 87 : code - 48)
  }
  return value
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
