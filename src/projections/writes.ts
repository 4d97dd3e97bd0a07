import { entryOf } from './entry.ts'
import { type Family, type Model, modelNamed, tableName } from './family.ts'
import { type FoldedRow, keyText } from './fold.ts'
import type { AnyProjection, AnyRow, AnyTable, RowKey, Tally } from './projection.ts'
import { inSlot } from './slots.ts'
import {
  addFrom,
  columnsOf,
  deleteByKeys,
  deleteEmptySums,
  insertFrom,
  insertOrAddFrom,
  updateFrom,
} from './sql.ts'
import type { TallyDelta } from './tallies.ts'
import type { Changes } from './workspace.ts'

/** Something to be done to one table. */
export type Write =
  | {
      readonly kind: 'rows'
      readonly name: string
      readonly table: AnyTable
      readonly rows: readonly AnyRow[]
      readonly statement: (name: string, table: AnyTable, rows: string) => string
    }
  | {
      /** After the others of its table. */
      readonly kind: 'keys'
      readonly name: string
      readonly table: AnyTable
      readonly keys: readonly RowKey[]
      readonly statement: (name: string, table: AnyTable) => string
    }

/** Keys of sums that are remembered to exist. */
const KNOWN_SUMS = 100_000

/**
 * Says what is to be done to the tables of one generation. Where partitions have slots, `slot` is one that nobody else writes to.
 * Remembers which sums exist, as long as that is so.
 */
export class WritePlanner {
  readonly #family: Family
  readonly #generation: number
  readonly #slot: number
  readonly #sums = new Map<string, Set<string>>()

  constructor(family: Family, generation: number, slot: number) {
    this.#family = family
    this.#generation = generation
    this.#slot = slot
  }

  plan(changes: Changes): Write[] {
    return [
      ...[...changes.rows].flatMap(([member, rows]) => this.#rows(member, rows)),
      ...changes.tallies.flatMap(({ tally, deltas }) => this.#sumsOf(tally, deltas)),
    ]
  }

  #rows({ name: member }: AnyProjection, changed: readonly FoldedRow[]): Write[] {
    const { model, name } = this.#table(member)
    const { table } = model
    const begun = changed.filter(({ before, row }) => before === null && row !== null)
    const kept = changed.filter(({ before, row }) => before !== null && row !== null)
    const gone = changed.filter(({ before, row }) => before !== null && row === null)
    const onlyKeys = columnsOf(table).length === table.key.length
    return [
      ...rowsWrite(
        name,
        table,
        begun.map(({ row }) => this.#row(model, row!)),
        insertFrom,
      ),
      ...(onlyKeys
        ? []
        : rowsWrite(
            name,
            table,
            kept.map(({ row }) => this.#row(model, row!)),
            updateFrom,
          )),
      ...keysWrite(
        name,
        table,
        gone.map(({ key }) => this.#key(model, key)),
        deleteByKeys,
      ),
    ]
  }

  #sumsOf(tally: Tally<object>, deltas: readonly TallyDelta[]): Write[] {
    const { model, name } = this.#table(tally.name)
    const { table } = model
    const columns = columnsOf(tally.table as AnyTable).map(([column]) => column)
    const known = entryOf(this.#sums, name, () => new Set<string>())
    if (known.size > KNOWN_SUMS) known.clear()
    const added: AnyRow[] = []
    const begun: AnyRow[] = []
    const less: RowKey[] = []
    for (const { key, add } of deltas) {
      const text = keyText(key)
      const row: Record<string, unknown> = {}
      for (const [index, column] of columns.entries())
        row[column] = index < key.length ? key[index] : add[index - key.length]
      ;(known.has(text) ? added : begun).push(this.#row(model, row))
      // Sums are never negative: where one grows, they are not all 0. Those of a slot may be, and come to 0 from below: whoever reads
      // the slots together leaves out what is 0.
      if (add.every((amount) => amount <= 0)) {
        less.push(key)
        known.delete(text)
      } else known.add(text)
    }
    return [
      ...rowsWrite(name, table, added, addFrom),
      ...rowsWrite(name, table, begun, insertOrAddFrom),
      ...keysWrite(
        name,
        table,
        less.map((key) => this.#key(model, key)),
        deleteEmptySums,
      ),
    ]
  }

  #row({ slotted }: Model, row: AnyRow): AnyRow {
    return slotted ? inSlot(row, this.#slot) : row
  }

  #key({ slotted }: Model, key: RowKey): RowKey {
    return slotted ? [...key, this.#slot] : key
  }

  #table(member: string): { readonly model: Model; readonly name: string } {
    const model = modelNamed(this.#family, member)
    return { model, name: tableName(model, this.#generation) }
  }
}

function rowsWrite(
  name: string,
  table: AnyTable,
  rows: readonly AnyRow[],
  statement: Extract<Write, { kind: 'rows' }>['statement'],
): Write[] {
  return rows.length > 0 ? [{ kind: 'rows', name, table, rows, statement }] : []
}

function keysWrite(
  name: string,
  table: AnyTable,
  keys: readonly RowKey[],
  statement: Extract<Write, { kind: 'keys' }>['statement'],
): Write[] {
  return keys.length > 0 ? [{ kind: 'keys', name, table, keys, statement }] : []
}
