import type pg from 'pg'
import type { Position } from '../domain/position.ts'
import type { EventFilter } from './eventStore.ts'

/** Asks the database, again while it is away. */
export type Query = (config: pg.QueryArrayConfig) => Promise<{ rows: string[][] }>

/** The columns of an event and where they come from; `toEvent` knows their order. */
export const COLUMNS = `s.name, e.revision, e.position, e.id, e.type, e.recorded_at at time zone 'UTC', e.data, e.metadata,
  encode(e.chain, 'hex') from log.events e join log.streams s on s.id = e.stream`

/** Values come as PostgreSQL's own text: only what is wanted is parsed. */
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text } as never

export const RAW = { rowMode: 'array', types: AS_TEXT } as const

export interface PageOptions extends EventFilter {
  /** Exclusive. */
  readonly from: Position
  /** Inclusive: the end of the log as the caller knows it. */
  readonly to: Position
  readonly limit: number
}

/** Stream names from (inclusive) and to (exclusive). */
export type NameRange = readonly [string, string]
