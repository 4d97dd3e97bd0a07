import { isUtf8 } from 'node:buffer'

export type InputLine =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly fault: LineFault; readonly detail?: string }
export type LineFault = 'line_too_long' | 'invalid_utf8' | 'malformed_csv'

const NEWLINE = 0x0a

/**
 * Cuts bytes that arrive in any portions into lines, holding at most one line. A line over `maxBytes` is reported and the rest of
 * it passed over; blank lines are counted by number and not given.
 */
export class LineSplitter {
  readonly #maxBytes: number
  #number = 0
  #pending: Buffer[] = []
  #pendingBytes = 0
  #skipping = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that this portion completes. */
  push(portion: Buffer): InputLine[] {
    const lines: InputLine[] = []
    let start = 0
    const first = portion.indexOf(NEWLINE)
    if (first < 0) {
      this.#keep(portion, lines)
      return lines
    }
    if (this.#pendingBytes > 0 || this.#skipping) {
      this.#keep(portion.subarray(0, first), lines)
      this.#finish(lines)
      start = first + 1
    }
    const end = portion.lastIndexOf(NEWLINE)
    if (end >= start) this.#whole(portion.subarray(start, end), lines)
    if (end + 1 < portion.length) this.#keep(portion.subarray(end + 1), lines)
    return lines
  }

  /** The last line, when the input did not end with a line break. */
  end(): InputLine[] {
    const lines: InputLine[] = []
    if (this.#pendingBytes > 0) this.#finish(lines)
    return lines
  }

  /** Many whole lines at once: one decoding for all of them unless something is wrong with one. */
  #whole(bytes: Buffer, lines: InputLine[]): void {
    if (isUtf8(bytes)) {
      for (const text of bytes.toString('utf8').split('\n')) this.#add(text, lines)
      return
    }
    for (let start = 0; start <= bytes.length; ) {
      const found = bytes.indexOf(NEWLINE, start)
      const end = found < 0 ? bytes.length : found
      this.#decode(bytes.subarray(start, end), lines)
      start = end + 1
    }
  }

  #keep(bytes: Buffer, lines: InputLine[]): void {
    if (this.#skipping) return
    if (this.#pendingBytes + bytes.length > this.#maxBytes) {
      this.#number += 1
      lines.push({ number: this.#number, fault: 'line_too_long' })
      this.#pending = []
      this.#pendingBytes = 0
      this.#skipping = true
      return
    }
    this.#pending.push(Buffer.from(bytes))
    this.#pendingBytes += bytes.length
  }

  #finish(lines: InputLine[]): void {
    if (this.#skipping) {
      this.#skipping = false
      return
    }
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    this.#decode(bytes, lines)
  }

  #decode(bytes: Buffer, lines: InputLine[]): void {
    if (isUtf8(bytes)) this.#add(bytes.toString('utf8'), lines)
    else lines.push({ number: ++this.#number, fault: 'invalid_utf8' })
  }

  #add(line: string, lines: InputLine[]): void {
    this.#number += 1
    const text = this.#number === 1 && line.startsWith('\uFEFF') ? line.slice(1) : line
    // UTF-16 units never outnumber UTF-8 bytes, and three bytes a unit is the most: only the doubtful are measured.
    if (
      text.length > this.#maxBytes ||
      (text.length * 3 > this.#maxBytes && Buffer.byteLength(text) > this.#maxBytes)
    )
      lines.push({ number: this.#number, fault: 'line_too_long' })
    else if (text.trim() !== '') lines.push({ number: this.#number, text })
  }
}
