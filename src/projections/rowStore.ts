import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { copyInput } from './copyRows.ts'
import { type Family, tableName } from './family.ts'
import { keyText } from './fold.ts'
import type { AnyProjection, AnyRow, AnyTable, RowKey, Tally } from './projection.ts'
import { columnText, rowDecoder } from './rowCodec.ts'
import {
  addSums,
  allColumns,
  columnsOf,
  deleteByKeys,
  deleteEmptySums,
  onConflictAdd,
  onConflictReplace,
  qualified,
  selectByKeys,
  upsert,
} from './sql.ts'
import type { TallyDelta } from './tallies.ts'
import type { ChangedRow, Changes } from './workspace.ts'

/** From so many rows on, COPY is faster than parameters. */
const COPY_FROM_ROWS = 1000

/** Reads and writes the tables of one generation of a family. Writes happen in the caller's transaction. */
export class RowStore {
  readonly #client: pg.ClientBase
  readonly #family: Family
  readonly #generation: number

  constructor(client: pg.ClientBase, family: Family, generation: number) {
    this.#client = client
    this.#family = family
    this.#generation = generation
  }

  async load(member: AnyProjection, keys: readonly RowKey[]): Promise<Map<string, AnyRow>> {
    const { table } = member
    const { rows } = await this.#client.query({
      name: `load ${this.#table(member.name)}`,
      text: selectByKeys(this.#table(member.name), table),
      values: keyArrays(table, keys),
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

  async write(changes: Changes): Promise<void> {
    for (const [member, rows] of changes.rows) await this.#writeRows(member, rows)
    for (const { tally, deltas } of changes.tallies) await this.#addSums(tally, deltas)
  }

  async #writeRows(member: AnyProjection, changed: readonly ChangedRow[]): Promise<void> {
    const name = this.#table(member.name)
    const { table } = member
    const begun = changed.filter(({ before, row }) => before === null && row !== null)
    const kept = changed.filter(({ before, row }) => before !== null && row !== null)
    const gone = changed.filter(({ before, row }) => before !== null && row === null)
    if (begun.length >= COPY_FROM_ROWS) await this.#copy(name, table, rowsOf(begun))
    if (kept.length >= COPY_FROM_ROWS)
      await this.#copyOver(name, table, rowsOf(kept), onConflictReplace(table))
    const few = [
      ...(begun.length < COPY_FROM_ROWS ? begun : []),
      ...(kept.length < COPY_FROM_ROWS ? kept : []),
    ]
    if (few.length > 0)
      await this.#prepared('put', name, upsert(name, table), columnArrays(table, rowsOf(few)))
    if (gone.length > 0)
      await this.#prepared(
        'drop',
        name,
        deleteByKeys(name, table),
        keyArrays(
          table,
          gone.map(({ key }) => key),
        ),
      )
  }

  async #addSums(tally: Tally<object>, deltas: readonly TallyDelta[]): Promise<void> {
    if (deltas.length === 0) return
    const name = this.#table(tally.name)
    const table = tally.table as AnyTable
    const columns = columnsOf(table).map(([column]) => column)
    const rows = deltas.map(({ key, add }) =>
      Object.fromEntries([...key, ...add].map((value, index) => [columns[index]!, value])),
    )
    if (rows.length >= COPY_FROM_ROWS) await this.#copyOver(name, table, rows, onConflictAdd(name, table))
    else await this.#prepared('add', name, addSums(name, table), columnArrays(table, rows))
    const less = deltas.filter(({ add }) => add.some((amount) => amount < 0))
    if (less.length === 0) return
    const keys = keyArrays(
      table,
      less.map(({ key }) => key),
    )
    await this.#prepared('none', name, deleteEmptySums(name, table), keys)
  }

  /** Rows that are known not to exist. */
  async #copy(target: string, table: AnyTable, rows: readonly AnyRow[]): Promise<void> {
    await this.#copyInto(`${qualified(target)} (${allColumns(table)})`, table, rows)
  }

  async #copyOver(name: string, table: AnyTable, rows: readonly AnyRow[], onConflict: string): Promise<void> {
    const stage = `"stage ${name}"`
    await this.#client.query(
      `create temp table if not exists ${stage} (like ${qualified(name)}) on commit delete rows`,
    )
    await this.#copyInto(`pg_temp.${stage} (${allColumns(table)})`, table, rows)
    await this.#client.query(
      `insert into ${qualified(name)} (${allColumns(table)}) select ${allColumns(table)} from pg_temp.${stage} ${onConflict}`,
    )
  }

  /** Encodes everything first: what does not fit is found before the connection is in the middle of something. */
  async #copyInto(target: string, table: AnyTable, rows: readonly AnyRow[]): Promise<void> {
    const { format, bytes } = copyInput(table, rows)
    const stream = this.#client.query(copyFrom(`copy ${target} from stdin (format ${format})`))
    const finished = once(stream, 'finish')
    stream.end(bytes)
    await finished
  }

  async #prepared(what: string, name: string, text: string, values: unknown[]): Promise<void> {
    await this.#client.query({ name: `${what} ${name}`, text, values })
  }

  #table(model: string): string {
    return tableName(this.#family.models.find(({ name }) => name === model)!, this.#generation)
  }
}

const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text } as never

function rowsOf(changed: readonly ChangedRow[]): AnyRow[] {
  return changed.map(({ row }) => row!)
}

function columnArrays(table: AnyTable, rows: readonly AnyRow[]): (string | null)[][] {
  return columnsOf(table).map(([column, type]) => rows.map((row) => columnText(column, type, row[column])))
}

function keyArrays(table: AnyTable, keys: readonly RowKey[]): (string | null)[][] {
  const types = new Map(columnsOf(table))
  return table.key.map((column, index) =>
    keys.map((key) => columnText(column as string, types.get(column as string)!, key[index])),
  )
}
