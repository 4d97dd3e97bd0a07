import type { DomainEvent, RecordedEvent } from '../domain/envelope.ts'

/**
 * A read model: a pure fold of events into rows of one Postgres table. The runner loads the rows of a batch's keys, folds, writes
 * back and moves the checkpoint in one transaction, so every event counts exactly once; a fold needs no database to be tested.
 */
export interface Projection<
  Row extends object,
  // biome-ignore lint/suspicious/noExplicitAny: the data of events differs from one type to the next
  Event extends RecordedEvent<DomainEvent<string, any>> = RecordedEvent,
  Parent extends object = object,
> {
  /** Name of the read model and of the view it is read by, `read.sessions`; its table is `sessions_v1_g1`. */
  readonly name: string
  /** Raised when the fold or the table changes: the new version is built beside the old one and swapped in. */
  readonly version: number
  /** The event types it folds; others pass by. */
  readonly types: readonly Event['type'][]
  readonly table: Table<Row>
  /** The row an event belongs to, as the values of the table's key columns; null when it concerns none. */
  readonly key: (event: Event, parent: Parent | undefined) => RowKey | null
  /** The row after the event; null deletes it, the same object leaves it untouched. */
  readonly evolve: (row: Row | undefined, event: Event, parent: Parent | undefined) => Row | null
  /**
   * The projection whose row of the same event, as it was before the event, this one may look at (a session, for what happens at its
   * steps). Both are kept under one checkpoint, rebuilt and swapped together.
   */
  readonly parent?: Projection<Parent>
  /** Sums over the rows, kept current with them in tables of their own. */
  readonly tallies?: readonly Tally<Row>[]
  /**
   * Into how many parts the rows are divided by the stream of their events, so that several nodes can fold them; 1 where nothing is said.
   * For a root without parent each of whose rows is of one stream. Another number takes another version.
   */
  readonly partitions?: number
  /** For a child of such a root whose rows are of many streams: how the rows come together that the partitions keep of one key. */
  readonly merge?: Merge
}

/** By column after the key. Whatever the order, the result must be the same. */
export type Merge = Readonly<Record<string, 'sum' | 'min' | 'max'>>

/** A projection whatever its rows and events: what the runner works with. */
// biome-ignore lint/suspicious/noExplicitAny: rows and events differ from one projection to the next
export type AnyProjection = Projection<any, any, any>

export type RowKey = readonly (string | number)[]

export interface Table<Row extends object> {
  /** For docs/read-models.md. */
  readonly description: string
  /** Columns in order, with their Postgres types. */
  readonly columns: { readonly [C in keyof Row & string]: ColumnType }
  /** What each column means, for docs/read-models.md. */
  readonly about: { readonly [C in keyof Row & string]: string }
  /** The primary key's columns. */
  readonly key: readonly (keyof Row & string)[]
  /** Further indexes, each as SQL after `on table`: `(tenant, started_at) where …`. */
  readonly indexes?: readonly string[]
}

// biome-ignore lint/suspicious/noExplicitAny: see AnyProjection
export type AnyTable = Table<any>

/**
 * A table of sums: each of its rows adds up what the rows of a projection give to it. Whatever the batches were, it equals the sum over
 * the rows as they stand, since a changed row gives what it adds now less what it added before. Sums are whole numbers; a
 * sum whose every column is 0 has no row.
 */
export interface Tally<Row extends object, Sum extends object = object> {
  readonly name: string
  readonly table: Table<Sum>
  /** What a row adds, to which keys; `add` goes by the table's columns after its key. */
  readonly of: (row: Row) => readonly Contribution[]
}

export interface Contribution {
  readonly key: RowKey
  readonly add: readonly number[]
}

/**
 * How a column's value looks in a row: `json` is any JSON value, kept as text (so that \u0000 fits, which jsonb refuses); `timestamptz`
 * is ISO 8601, UTC, milliseconds; `date` is `YYYY-MM-DD`; `numeric` is an exact decimal in text. Null is null.
 */
export type ColumnType =
  | 'text'
  | 'integer'
  | 'bigint'
  | 'numeric'
  | 'double precision'
  | 'boolean'
  | 'json'
  | 'timestamptz'
  | 'date'

/** A row of any table, by column. */
export type AnyRow = Readonly<Record<string, unknown>>
