export type Cell = string | number | boolean | null | readonly number[]

/** Rows as the text that COPY takes, in portions: of a million units nothing is kept but that text. */
export class CopyText {
  readonly portions: string[] = []
  #lines: string[] = []

  add(row: readonly Cell[]): void {
    this.#lines.push(`${row.map(field).join('\t')}\n`)
    if (this.#lines.length >= PORTION) this.#close()
  }

  /** The portions, each made of whole lines. */
  finish(): readonly string[] {
    if (this.#lines.length > 0) this.#close()
    return this.portions
  }

  #close(): void {
    this.portions.push(this.#lines.join(''))
    this.#lines = []
  }
}

const PORTION = 1000

export function copyText(rows: Iterable<readonly Cell[]>): readonly string[] {
  const text = new CopyText()
  for (const row of rows) text.add(row)
  return text.finish()
}

/** A value as COPY's text format has it. */
function field(cell: Cell): string {
  if (cell === null) return '\\N'
  if (typeof cell === 'boolean') return cell ? 't' : 'f'
  if (typeof cell === 'number') return String(cell)
  if (typeof cell !== 'string') return `{${cell.join(',')}}`
  return storable(cell).replaceAll(/[\\\t\n\r]/g, (character) => ESCAPES[character]!)
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** Text as Postgres holds it: it has no U+0000. */
const storable = (text: string) => text.replaceAll('\u0000', '\uFFFD')
