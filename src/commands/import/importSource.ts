import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { parse } from 'csv-parse'
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

/** CSV (RFC 4180) with a header; `map` says which column fills which field of a line. */
export function csvSource(bytes: AsyncIterable<Buffer>, map: ColumnMap): ImportSource {
  const counted = new CountedBytes(bytes)
  return {
    async *lines() {
      const lines: InputLine[] = []
      const faults: InputLine[] = []
      const parser = parse({
        bom: true,
        columns: (header: string[]) => {
          const missing = Object.values(map).filter((column) => !header.includes(column))
          if (missing.length > 0) throw new MissingColumn(missing, header)
          return header
        },
        info: true,
        max_record_size: MAX_LINE_BYTES,
        skip_empty_lines: true,
        skip_records_with_error: true,
        on_skip: (error) => {
          const { lines = 1, message = '' } = (error ?? {}) as { lines?: number; message?: string }
          faults.push({ number: lines, fault: 'malformed_csv', detail: message.slice(0, 200) })
        },
      })
      const input = Readable.from(counted)
      input.on('error', (error) => parser.destroy(error))
      for await (const { record, info } of input.pipe(parser)) {
        lines.push(...faults.splice(0), { number: info.lines, text: rowToLine(record, map) })
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

export class MissingColumn extends Error {
  override readonly name = 'MissingColumn'
  constructor(missing: readonly string[], header: readonly string[]) {
    super(`the file has no column ${missing.join(', ')}; its columns are ${header.join(', ')}`)
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
