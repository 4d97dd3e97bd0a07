import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'
import { type Queryable, query } from './query.ts'
import type { SessionRow } from './sessionRow.ts'
import type { StepRow } from './steps.ts'

/** The read models whose queries depend on what is asked for, by the names that stay while tables are rebuilt. */
interface ReadTables {
  'read.sessions': SessionRow
  'read.steps': StepRow
}

/** Builds queries and runs none: how they are run, and what their values look like, is query.ts's. */
export const read = new Kysely<ReadTables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

export function run<Row extends object>(db: Queryable, built: CompiledQuery<Row>): Promise<Row[]> {
  return query<Row>(db, built.sql, built.parameters)
}
