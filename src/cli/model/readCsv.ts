import { createReadStream, existsSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { heldOut } from '../../analysis/model/split.ts'

export interface Wanted {
  readonly file: string
  readonly target: string
  readonly features: readonly string[]
  /** Column that says `train` or `test`; without it rows are held out by the hash of their number. */
  readonly split?: string
}

/** Columns by feature, and outcomes, of the training and the test rows. */
export interface Part {
  readonly columns: number[][]
  readonly outcomes: number[]
}

/** What is wrong with the file, in one line. */
export interface CsvFault {
  readonly fault: string
}

/** Reads a CSV with a header line, plain or gzipped, row by row. Lines are counted from 1, the header's. */
export async function readCsv(wanted: Wanted): Promise<Parts | CsvFault> {
  if (!existsSync(wanted.file)) return { fault: `cannot read ${wanted.file}: no such file` }
  const parts = { train: emptyPart(wanted), test: emptyPart(wanted) }
  const source = createReadStream(wanted.file)
  const rows = parse({ bom: true, info: true, skip_empty_lines: true })
  let fault: CsvFault | undefined
  const take = async (lines: AsyncIterable<Line>): Promise<void> => {
    fault = await takeRows(lines, wanted, parts)
  }
  try {
    if (wanted.file.endsWith('.gz')) await pipeline(source, createGunzip(), rows, take)
    else await pipeline(source, rows, take)
  } catch (error) {
    // Stopping at a faulty line closes the file early, which is no fault of its own.
    fault ??= { fault: `${wanted.file}: ${(error as Error).message}` }
  }
  return fault ?? parts
}

interface Line {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

interface Parts {
  readonly train: Part
  readonly test: Part
}

async function takeRows(
  lines: AsyncIterable<Line>,
  wanted: Wanted,
  parts: Parts,
): Promise<CsvFault | undefined> {
  let columns: Columns | undefined
  let row = 0
  for await (const { record, info } of lines) {
    if (columns) {
      const fault = takeRow(record, columns, wanted, { line: info.lines, row: ++row }, parts)
      if (fault) return fault
    } else {
      const found = findColumns(record, wanted)
      if ('fault' in found) return found
      columns = found
    }
  }
  return columns ? undefined : { fault: `${wanted.file} is empty` }
}

interface Columns {
  readonly target: number
  readonly features: readonly number[]
  readonly split: number | undefined
}

const emptyPart = ({ features }: Wanted): Part => ({ columns: features.map(() => []), outcomes: [] })

function findColumns(
  header: readonly string[],
  { target, features, split, file }: Wanted,
): Columns | CsvFault {
  const missing = [target, ...features, ...(split === undefined ? [] : [split])].filter(
    (name) => !header.includes(name),
  )
  if (missing.length > 0)
    return { fault: `${file} has no column ${missing.join(', ')}; it has ${header.join(', ')}` }
  return {
    target: header.indexOf(target),
    features: features.map((name) => header.indexOf(name)),
    split: split === undefined ? undefined : header.indexOf(split),
  }
}

function takeRow(
  record: readonly string[],
  columns: Columns,
  wanted: Wanted,
  { line, row }: { readonly line: number; readonly row: number },
  parts: Parts,
): CsvFault | undefined {
  const side =
    columns.split === undefined ? (heldOut(String(row)) ? 'test' : 'train') : record[columns.split]!.trim()
  if (side !== 'train' && side !== 'test')
    return { fault: `line ${line}: ${wanted.split} is "${side}"; it must be train or test` }
  const outcome = numberFrom(record[columns.target]!)
  if (outcome !== 0 && outcome !== 1)
    return { fault: `line ${line}: ${wanted.target} is "${record[columns.target]}"; it must be 0 or 1` }
  const values = columns.features.map((column) => numberFrom(record[column]!))
  const bad = values.indexOf(undefined)
  if (bad >= 0)
    return {
      fault: `line ${line}: ${wanted.features[bad]} is "${record[columns.features[bad]!]}", not a number`,
    }
  for (const [i, value] of values.entries()) parts[side].columns[i]!.push(value!)
  parts[side].outcomes.push(outcome)
  return undefined
}

/** A finite number; true and false count as 1 and 0. */
function numberFrom(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === 'true' ? 1 : 0
  const value = trimmed === '' ? Number.NaN : Number(trimmed)
  return Number.isFinite(value) ? value : undefined
}
