import { parse } from 'csv-parse/sync'

/** Comma first: a file is taken as RFC 4180 has it wherever it can be. */
const SEPARATORS = [',', ';', '\t']
const QUOTE = 0x22
const NEWLINE = 0x0a

/**
 * What separates the cells of a CSV: the one of comma, semicolon (where the comma is in numbers) and tab by which the header has all
 * the columns wanted; the comma when none does.
 */
export function separatorOf(header: Buffer, wanted: readonly string[]): string {
  const hasAll = (delimiter: string): boolean => {
    try {
      const [names = []] = parse(header, { bom: true, delimiter, to: 1 }) as string[][]
      return wanted.every((name) => names.includes(name))
    } catch {
      return false
    }
  }
  return SEPARATORS.find(hasAll) ?? ','
}

/** Reads on to the end of the first line, at most `limit` bytes: what was read, and whatever follows it. */
export async function readHeader(
  bytes: AsyncIterable<Buffer>,
  limit: number,
): Promise<{ header: Buffer; all: AsyncIterable<Buffer> }> {
  const iterator = bytes[Symbol.asyncIterator]()
  const rest = { [Symbol.asyncIterator]: () => iterator }
  let read = Buffer.alloc(0)
  let end = -1
  while (end < 0 && read.length < limit) {
    const { value, done } = await iterator.next()
    if (done) break
    read = Buffer.concat([read, value])
    end = endOfLine(read)
  }
  const first = read
  return {
    header: end < 0 ? first : first.subarray(0, end),
    all: (async function* () {
      if (first.length > 0) yield first
      yield* rest
    })(),
  }
}

/** The end of the first line, line breaks in quotes aside; −1 when it is not there yet. */
function endOfLine(bytes: Buffer): number {
  let quoted = false
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === QUOTE) quoted = !quoted
    else if (bytes[i] === NEWLINE && !quoted) return i
  }
  return -1
}
