import type { AnyTable, ColumnType } from './projection.ts'
import type { Slotted } from './slots.ts'

/** SQL for one table of the schema `read`. */
export function createTable(name: string, table: AnyTable): string {
  const key = new Set<string>(table.key)
  const columns = columnsOf(table).map(
    ([column, type]) => `${quoted(column)} ${stored(type)}${key.has(column) ? ' not null' : ''}`,
  )
  return `create table ${qualified(name)} (${columns.join(', ')}, primary key (${quotedKey(table)})) with (fillfactor = 85)`
}

export function createIndexes(name: string, table: AnyTable): string[] {
  return (table.indexes ?? []).map(
    (index, place) =>
      `create index if not exists ${quoted(`${name}_i${place + 1}`)} on ${qualified(name)} ${index}`,
  )
}

/** Parameters are arrays, one a key column. */
export function selectByKeys(name: string, table: AnyTable): string {
  const columns = columnsOf(table).map(([column]) => `t.${quoted(column)}`)
  return `select ${columns.join(', ')} from ${keysAs(table, 1)} join ${qualified(name)} t on ${sameKey(table)}`
}

/** Rows that do not exist yet. */
export function insertFrom(name: string, table: AnyTable, rows: string): string {
  return `insert into ${qualified(name)} (${allColumns(table)}) select ${allColumns(table)} from ${rows}`
}

/** Rows that exist: an update costs half of what `on conflict do update` does, which locks each row first. */
export function updateFrom(name: string, table: AnyTable, rows: string): string {
  const set = valueColumns(table).map(([column]) => `${quoted(column)} = k.${quoted(column)}`)
  return `update ${qualified(name)} t set ${set.join(', ')} from ${rows} where ${sameKey(table)}`
}

/** Adds to sums that exist. */
export function addFrom(name: string, table: AnyTable, rows: string): string {
  const set = valueColumns(table).map(
    ([column]) => `${quoted(column)} = t.${quoted(column)} + k.${quoted(column)}`,
  )
  return `update ${qualified(name)} t set ${set.join(', ')} from ${rows} where ${sameKey(table)}`
}

/** Adds to sums that may exist. */
export function insertOrAddFrom(name: string, table: AnyTable, rows: string): string {
  const set = valueColumns(table).map(
    ([column]) => `${quoted(column)} = ${qualified(name)}.${quoted(column)} + excluded.${quoted(column)}`,
  )
  return `${insertFrom(name, table, rows)} on conflict (${quotedKey(table)}) do update set ${set.join(', ')}`
}

/** Rows out of parameters, which are arrays, one a column, from the nth on. */
export function fromParameters(table: AnyTable, first = 1): string {
  const arrays = columnsOf(table).map(([, type], index) => `$${first + index}::${type}[]`)
  return `unnest(${arrays.join(', ')}) as k(${allColumns(table)})`
}

/** Parameters are arrays, one a key column. */
export function deleteByKeys(name: string, table: AnyTable, where = ''): string {
  return `delete from ${qualified(name)} t using ${keysAs(table, 1)} where ${sameKey(table)}${where}`
}

/** Of the rows with these keys, those whose every sum is 0. */
export function deleteEmptySums(name: string, table: AnyTable): string {
  return deleteByKeys(
    name,
    table,
    valueColumns(table)
      .map(([column]) => ` and t.${quoted(column)} = 0`)
      .join(''),
  )
}

/** The rows of all slots together: a query for a row a key. */
export function mergedRows(name: string, { table, merge, hidesZeros }: Slotted): string {
  const columns = columnsOf(table).map(([column, type]) => {
    const how = merge[column]
    return how ? `${MERGED[how](quoted(column), type)} as ${quoted(column)}` : quoted(column)
  })
  const having = valueColumns(table).map(([column]) => `sum(${quoted(column)}) <> 0`)
  return `select ${columns.join(', ')} from ${qualified(name)} group by ${quotedKey(table)}${
    hidesZeros ? ` having ${having.join(' or ')}` : ''
  }`
}

/** One text for one value, whatever slots it came from: no zeros at the end of a decimal, and 0 for -0. */
const MERGED = {
  sum: (column: string, type: ColumnType) =>
    type === 'numeric' ? `trim_scale(sum(${column}))` : `sum(${column})::${type}`,
  min: (column: string, type: ColumnType) => `min(${column})${type === 'double precision' ? ' + 0' : ''}`,
  max: (column: string, type: ColumnType) => `max(${column})${type === 'double precision' ? ' + 0' : ''}`,
}

export function columnsOf(table: AnyTable): [string, ColumnType][] {
  return Object.entries(table.columns as Record<string, ColumnType>)
}

export function allColumns(table: AnyTable): string {
  return columnsOf(table)
    .map(([column]) => quoted(column))
    .join(', ')
}

export function qualified(name: string): string {
  return `read.${quoted(name)}`
}

export function quotedKey(table: AnyTable): string {
  return table.key.map(quoted).join(', ')
}

function valueColumns(table: AnyTable): [string, ColumnType][] {
  const key = new Set<string>(table.key)
  return columnsOf(table).filter(([column]) => !key.has(column))
}

function keysAs(table: AnyTable, first: number): string {
  const types = table.columns as Record<string, ColumnType>
  const arrays = table.key.map((column, index) => `$${first + index}::${types[column]}[]`)
  return `unnest(${arrays.join(', ')}) as k(${quotedKey(table)})`
}

function sameKey(table: AnyTable): string {
  return table.key.map((column) => `t.${quoted(column)} = k.${quoted(column)}`).join(' and ')
}

/** Texts compare by their bytes: fast, and the same everywhere. */
function stored(type: ColumnType): string {
  return type === 'text' ? 'text collate "C"' : type
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
