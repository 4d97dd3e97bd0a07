import type { AnyRow, AnyTable, Merge } from './projection.ts'

/**
 * Several nodes may have something to add to one key of a table. So each writes rows of its own, and what is read is all of them
 * together: a node's slot is the least partition of those it folds, and whoever holds that partition is alone in writing to it. Which
 * slot holds what says nothing; a sum over one may be negative.
 */
const SLOT = 'slot'

/** A table that has a row a key, out of one that has a row a key and slot. */
export interface Slotted {
  /** As it is read. */
  readonly table: AnyTable
  readonly merge: Merge
  /** Whether a row whose every column comes to 0 is none. */
  readonly hidesZeros: boolean
}

/** The table as it is stored: with the slot at the end of its key. */
export function withSlot(table: AnyTable): AnyTable {
  return {
    ...table,
    columns: { ...table.columns, [SLOT]: 'integer' },
    key: [...table.key, SLOT],
  } as AnyTable
}

export function inSlot(row: AnyRow, slot: number): AnyRow {
  return { ...row, [SLOT]: slot }
}

export function sumsOf(table: AnyTable): Merge {
  const key = new Set<string>(table.key)
  const columns = Object.keys(table.columns).filter((column) => !key.has(column))
  return Object.fromEntries(columns.map((column) => [column, 'sum']))
}
