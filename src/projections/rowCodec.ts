import { isoOfPostgres, postgresOfIso } from './postgresTime.ts'
import type { AnyRow, AnyTable, ColumnType } from './projection.ts'

/** A fold made a value that its column cannot hold. */
export class UnfitRow extends Error {
  override readonly name = 'UnfitRow'
}

/** Whether a column can hold a value that is not null. @throws UnfitRow */
export function requireFit(column: string, type: ColumnType, value: unknown): void {
  if (fits(type, value)) return
  const shown = JSON.stringify(value)?.slice(0, 80) ?? 'undefined'
  throw new UnfitRow(`${column} is ${type} and cannot hold ${shown}`)
}

function fits(type: ColumnType, value: unknown): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string' && !value.includes('\u0000')
    case 'integer':
      return Number.isInteger(value) && Math.abs(value as number) <= 2_147_483_647
    case 'bigint':
      return Number.isSafeInteger(value)
    case 'double precision':
      return typeof value === 'number' && !Number.isNaN(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'json':
      return value !== undefined
    case 'numeric':
    case 'date':
    case 'timestamptz':
      return typeof value === 'string'
  }
}

/** A column's value as Postgres reads it, null for null. @throws UnfitRow */
export function columnText(column: string, type: ColumnType, value: unknown): string | null {
  if (value === null) return null
  requireFit(column, type, value)
  switch (type) {
    case 'text':
    case 'numeric':
      return value as string
    case 'integer':
    case 'bigint':
    case 'double precision':
      return String(value)
    case 'boolean':
      return value ? 't' : 'f'
    case 'json':
      return JSON.stringify(value)
    case 'timestamptz':
      return postgresOfIso(value as string)
    case 'date':
      return postgresDate(value as string)
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
