import pg from 'pg'
import { isoOfPostgres } from './postgresTime.ts'

/** A pool or a client of the database that holds the read models. */
export interface Queryable {
  query(config: pg.QueryConfig): Promise<pg.QueryResult>
}

/** A page of a list; `nextCursor` is null at its end. */
export interface Page<Item> {
  readonly data: readonly Item[]
  readonly nextCursor: string | null
}

/** Rows with values as projections have them: times are ISO 8601 in UTC, whole numbers are numbers. */
export async function query<Row extends object>(
  db: Queryable,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
): Promise<Row[]> {
  const config = { text, values: [...values], types: TYPES, ...(name !== undefined && { name }) }
  const { rows } = await db.query(config)
  return rows as Row[]
}

const { builtins } = pg.types
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [builtins.INT8, Number],
  [builtins.NUMERIC, (text) => text],
  [builtins.DATE, (text) => text],
  [builtins.TIMESTAMPTZ, isoOfPostgres],
])
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    parsers.get(oid) ?? pg.types.getTypeParser(oid, format)) as never,
}

type CursorPart = 'string' | 'integer' | 'time'

/** A cursor says after which row a page begins. It is opaque to clients. */
export function writeCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** The parts of a cursor: undefined without one, null for a text that is not a cursor of this shape. */
export function readCursor(
  cursor: string | undefined,
  shape: readonly CursorPart[],
): (string | number)[] | undefined | null {
  if (cursor === undefined) return undefined
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(parts) || parts.length !== shape.length) return null
    return parts.every((part, index) => fits(part, shape[index]!)) ? parts : null
  } catch {
    return null
  }
}

function fits(part: unknown, shape: CursorPart): boolean {
  if (shape === 'integer') return Number.isSafeInteger(part)
  if (typeof part !== 'string' || part.includes('\u0000')) return false
  return shape === 'string' || isTime(part)
}

/** A time that there is: not the 31st of February. */
function isTime(text: string): boolean {
  const date = new Date(text)
  return !Number.isNaN(date.getTime()) && date.toISOString() === text && text.length === 24
}

/** A page out of what was found, one more than `limit` being asked for to see whether there is a next. */
export function pageOf<Item>(
  found: readonly Item[],
  limit: number,
  cursorOf: (last: Item) => readonly (string | number)[],
): Page<Item> {
  const data = found.slice(0, limit)
  return { data, nextCursor: found.length > limit ? writeCursor(cursorOf(data.at(-1)!)) : null }
}
