import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { parse } from 'csv-parse'
import { readHeader, separatorOf } from './csvHeader.ts'
import { type ColumnMap, rowToLine } from './csvRow.ts'
import { type InputLine, LineSplitter } from './lineSplitter.ts'

/** What an import reads: lines, some at a time, and a digest over the bytes they came from once they are all read. */
export interface ImportSource {
  lines(): AsyncIterable<readonly InputLine[]>
  readonly bytesRead: number
  /** SHA-256 (hex) of every byte read. */
  digest(): string
}

export const MAX_LINE_BYTES = 1024 * 1024
const CSV_LINES = 100

/** Newline-delimited JSON (https://github.com/ndjson/ndjson-spec). */
export function ndjsonSource(bytes: AsyncIterable<Buffer>): ImportSource {
  const counted = new CountedBytes(bytes)
  return {
    async *lines() {
      const splitter = new LineSplitter(MAX_LINE_BYTES)
      for await (const portion of counted) yield splitter.push(portion)
      yield splitter.end()
    },
    get bytesRead() {
      return counted.count
    },
    digest: () => counted.digest(),
  }
}

/**
 * CSV (RFC 4180, or with semicolons or tabs) with a header; `map` says which column fills which field of a line. A row that is not
 * UTF-8 is a fault: what it said could not be told from another.
 */
export function csvSource(bytes: AsyncIterable<Buffer>, map: ColumnMap): ImportSource {
  const counted = new CountedBytes(bytes)
  const utf8 = new Utf8Check()
  return {
    async *lines() {
      const lines: InputLine[] = []
      const faults: InputLine[] = []
      const { header, all } = await readHeader(utf8.passing(counted), MAX_LINE_BYTES)
      let headed = false
      const parser = parse({
        bom: true,
        delimiter: separatorOf(header, Object.values(map)),
        columns: (header: string[]) => {
          checkHeader(header, map)
          headed = true
          return header
        },
        info: true,
        max_record_size: MAX_LINE_BYTES,
        skip_empty_lines: true,
        skip_records_with_error: true,
        on_skip: (error) => {
          const { lines = 1, message = '' } = (error ?? {}) as { lines?: number; message?: string }
          if (!headed) parser.destroy(new BadHeader(`the header cannot be read: ${message}`))
          faults.push({ number: lines, fault: 'malformed_csv', detail: message.slice(0, 200) })
        },
      })
      const input = Readable.from(all)
      input.on('error', (error) => parser.destroy(error))
      for await (const { record, info } of input.pipe(parser)) {
        const text = rowToLine(record, map)
        const isBroken = utf8.isBroken && text.includes('\uFFFD')
        lines.push(
          ...faults.splice(0),
          isBroken ? { number: info.lines, fault: 'invalid_utf8' } : { number: info.lines, text },
        )
        if (lines.length >= CSV_LINES) yield lines.splice(0)
      }
      yield [...lines, ...faults]
    },
    get bytesRead() {
      return counted.count
    },
    digest: () => counted.digest(),
  }
}

function checkHeader(header: readonly string[], map: ColumnMap): void {
  const wanted = [...new Set(Object.values(map))]
  const missing = wanted.filter((column) => !header.includes(column))
  if (missing.length > 0)
    throw new BadHeader(`the file has no column ${missing.join(', ')}; its columns are ${header.join(', ')}`)
  const twice = wanted.filter((column) => header.indexOf(column) !== header.lastIndexOf(column))
  if (twice.length > 0) throw new BadHeader(`the file has more than one column ${twice.join(', ')}`)
}

class BadHeader extends Error {
  override readonly name = 'BadHeader'
}

/** Watches bytes go by: whether all of them up to now were UTF-8. Until they were not, U+FFFD in a text is what was written. */
class Utf8Check {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  isBroken = false

  async *passing(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const portion of bytes) {
      if (!this.isBroken) this.#look(portion)
      yield portion
    }
  }

  #look(portion: Buffer): void {
    try {
      this.#decoder.decode(portion, { stream: true })
    } catch {
      this.isBroken = true
    }
  }
}

class CountedBytes implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterable<Buffer>
  readonly #hash = createHash('sha256')
  count = 0

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for await (const portion of this.#source) {
      this.count += portion.length
      this.#hash.update(portion)
      yield portion
    }
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
