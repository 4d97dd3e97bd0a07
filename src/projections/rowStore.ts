import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { BINARY, binaryArray } from './binaryColumns.ts'
import { copyInput } from './copyRows.ts'
import { keyText } from './fold.ts'
import type { AnyRow, AnyTable, ColumnType, RowKey } from './projection.ts'
import { columnText, rowDecoder } from './rowCodec.ts'
import { allColumns, columnsOf, fromParameters, insertFrom, qualified, selectByKeys } from './sql.ts'
import type { Write } from './writes.ts'

/** From so many rows on, COPY is faster than parameters. */
const COPY_FROM_ROWS = 1000

/** The rows of a table with these keys, by the text of their key; those that do not exist are left out. */
export async function loadRows(
  client: pg.ClientBase,
  name: string,
  table: AnyTable,
  keys: readonly RowKey[],
): Promise<Map<string, AnyRow>> {
  const { rows } = await client.query({
    name: `load ${name}`,
    text: selectByKeys(name, table),
    values: keyParameters(table, keys),
    rowMode: 'array',
    types: AS_TEXT,
  })
  const decode = rowDecoder(table)
  return new Map(
    rows.map((values) => {
      const row = decode(values as unknown as (string | null)[])
      return [keyText(table.key.map((column) => row[column as string]) as unknown as RowKey), row]
    }),
  )
}

const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text } as never

/** One write, in the caller's transaction. */
export async function runWrite(client: pg.ClientBase, write: Write): Promise<void> {
  const { name, table } = write
  if (write.kind === 'keys') {
    await client.query(write.statement(name, table), keyParameters(table, write.keys))
    return
  }
  const { rows, statement } = write
  if (rows.length < COPY_FROM_ROWS) {
    await client.query(statement(name, table, fromParameters(table)), rowParameters(table, rows))
    return
  }
  if (statement === insertFrom) {
    await copy(client, `${qualified(name)} (${allColumns(table)})`, table, rows)
    return
  }
  const stage = `pg_temp."stage ${name}"`
  await client.query(
    `create temp table if not exists "stage ${name}" (like ${qualified(name)}) on commit delete rows; truncate ${stage}`,
  )
  await copy(client, `${stage} (${allColumns(table)})`, table, rows)
  await client.query(statement(name, table, `${stage} k`))
}

/** Encodes everything first: what does not fit is found before the connection is in the middle of something. */
async function copy(
  client: pg.ClientBase,
  target: string,
  table: AnyTable,
  rows: readonly AnyRow[],
): Promise<void> {
  const { format, bytes } = copyInput(table, rows)
  const stream = client.query(copyFrom(`copy ${target} from stdin (format ${format})`))
  const finished = once(stream, 'finish')
  stream.end(bytes)
  await finished
}

/** A statement with its parameters. */
export interface Prepared {
  readonly text: string
  readonly values: unknown[]
}

/**
 * Writes as parts of one statement, each a `with` query, after `values` of its own; undefined where they are too many, or one has to see
 * what another did.
 */
export function together(writes: readonly Write[], values: readonly unknown[]): Prepared | undefined {
  const all = [...values]
  const parts: string[] = []
  for (const write of writes) {
    if (write.kind === 'keys' || write.rows.length >= COPY_FROM_ROWS) return undefined
    const { name, table, rows, statement } = write
    parts.push(`w${parts.length} as (${statement(name, table, fromParameters(table, all.length + 1))})`)
    all.push(...rowParameters(table, rows))
  }
  return { text: parts.length > 0 ? `with ${parts.join(', ')} ` : '', values: all }
}

type Parameter = Buffer | (string | null)[]

function rowParameters(table: AnyTable, rows: readonly AnyRow[]): Parameter[] {
  return columnsOf(table).map(([column, type]) =>
    parameter(
      column,
      type,
      rows.map((row) => row[column]),
    ),
  )
}

function keyParameters(table: AnyTable, keys: readonly RowKey[]): Parameter[] {
  const types = new Map(columnsOf(table))
  return (table.key as readonly string[]).map((column, index) =>
    parameter(
      column,
      types.get(column)!,
      keys.map((key) => key[index]),
    ),
  )
}

function parameter(column: string, type: ColumnType, values: readonly unknown[]): Parameter {
  const binary = BINARY[type]
  return binary
    ? binaryArray(column, type, binary, values)
    : values.map((value) => columnText(column, type, value))
}
