import { isoOfPostgres, postgresOfIso } from './postgresTime.ts'
import type { AnyRow, AnyTable, ColumnType } from './projection.ts'

/** A fold made a value that its column cannot hold. */
export class UnfitRow extends Error {
  override readonly name = 'UnfitRow'
}

/** A column's value as Postgres reads it, null for null. @throws UnfitRow */
export function columnText(column: string, type: ColumnType, value: unknown): string | null {
  if (value === null) return null
  switch (type) {
    case 'text':
      if (typeof value !== 'string' || value.includes('\u0000')) throw unfit(column, type, value)
      return value
    case 'integer':
      if (!Number.isInteger(value) || Math.abs(value as number) > 2_147_483_647)
        throw unfit(column, type, value)
      return String(value)
    case 'bigint':
      if (!Number.isSafeInteger(value)) throw unfit(column, type, value)
      return String(value)
    case 'double precision':
      if (typeof value !== 'number' || Number.isNaN(value)) throw unfit(column, type, value)
      return String(value)
    case 'numeric':
      if (typeof value !== 'string') throw unfit(column, type, value)
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw unfit(column, type, value)
      return value ? 't' : 'f'
    case 'json': {
      const text = JSON.stringify(value)
      if (text === undefined) throw unfit(column, type, value)
      return text
    }
    case 'timestamptz':
    case 'date':
      if (typeof value !== 'string') throw unfit(column, type, value)
      return type === 'date' ? postgresDate(value) : postgresOfIso(value)
  }
}

/** A column's value from what Postgres writes in a session in UTC with ISO dates. */
export function columnValue(type: ColumnType, text: string | null): unknown {
  if (text === null) return null
  switch (type) {
    case 'text':
    case 'numeric':
      return text
    case 'integer':
    case 'bigint':
    case 'double precision':
      return Number(text)
    case 'boolean':
      return text === 't'
    case 'json':
      return JSON.parse(text)
    case 'timestamptz':
      return isoOfPostgres(text)
    case 'date':
      return isoOfPostgres(`${text.replace(/( BC)?$/, ' 00:00:00+00$1')}`).replace(/T.*$/, '')
  }
}

function postgresDate(date: string): string {
  return postgresOfIso(`${date}T00:00:00.000Z`).replace('T00:00:00.000Z', '')
}

/** Makes rows from what a query in array mode answers, its columns in the table's order. */
export function rowDecoder(table: AnyTable): (values: readonly (string | null)[]) => AnyRow {
  const columns = Object.entries(table.columns as Record<string, ColumnType>)
  return (values) => {
    const row: Record<string, unknown> = {}
    for (const [index, [name, type]] of columns.entries()) row[name] = columnValue(type, values[index]!)
    return row
  }
}

/** Makes the lines of `COPY … FROM STDIN` in text format. @throws UnfitRow */
export function copyEncoder(table: AnyTable): (row: AnyRow) => string {
  const columns = Object.entries(table.columns as Record<string, ColumnType>)
  return (row) => {
    let line = ''
    for (const [name, type] of columns) {
      const text = columnText(name, type, row[name])
      if (line !== '' || name !== columns[0]![0]) line += '\t'
      line += text === null ? '\\N' : ESCAPED[type] && /[\\\t\n\r]/.test(text) ? escapeCopy(text) : text
    }
    return `${line}\n`
  }
}

const ESCAPED: Partial<Record<ColumnType, true>> = { text: true, json: true }

function escapeCopy(text: string): string {
  return text.replace(/[\\\t\n\r]/g, (character) => COPY_ESCAPES[character]!)
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function unfit(column: string, type: ColumnType, value: unknown): UnfitRow {
  const shown = JSON.stringify(value)?.slice(0, 80) ?? 'undefined'
  return new UnfitRow(`${column} is ${type} and cannot hold ${shown}`)
}
