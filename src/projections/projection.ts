import type { RecordedEvent } from '../domain/envelope.ts'

/**
 * A read model: a pure fold of events into rows of one Postgres table. The runner loads the rows of a batch's keys, folds, writes
 * back and moves the checkpoint in one transaction, so every event counts exactly once; a fold needs no database to be tested.
 */
export interface Projection<Row extends object, Event extends RecordedEvent = RecordedEvent> {
  /** Name of the read model, its checkpoint and (with the version) its table: `sessions`, version 1 → `sessions_v1`. */
  readonly name: string
  /** Raised when the fold or the table changes: the new version is built beside the old one and swapped in. */
  readonly version: number
  /** The event types it folds; others pass by. */
  readonly types: readonly Event['type'][]
  readonly table: Table<Row>
  /** The row an event belongs to, as the values of the table's key columns; null when it concerns none. */
  readonly key: (event: Event) => RowKey | null
  /** The row after the event; null deletes it, the same object leaves it untouched. */
  readonly evolve: (row: Row | undefined, event: Event) => Row | null
}

export type RowKey = readonly (string | number)[]

export interface Table<Row extends object> {
  /** Columns in order, with their Postgres types. */
  readonly columns: { readonly [C in keyof Row & string]: ColumnType }
  /** The primary key's columns. */
  readonly key: readonly (keyof Row & string)[]
  /** Further indexes: each a list of columns, as SQL. */
  readonly indexes?: readonly string[]
}

/** `json` keeps any JSON text (also \u0000, which jsonb refuses). Times are ISO 8601 text in rows, `timestamptz` in the table. */
export type ColumnType =
  | 'text'
  | 'integer'
  | 'bigint'
  | 'double precision'
  | 'boolean'
  | 'json'
  | 'timestamptz'
