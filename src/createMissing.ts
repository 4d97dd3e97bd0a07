import type pg from 'pg'

/**
 * Creates tables and functions that are not there yet: several statements of one call are one transaction. Creating the same at the
 * same time fails, so nodes that start together wait for each other at `lock`, a number of the caller's own.
 */
export async function createMissing(
  db: pg.Pool | pg.ClientBase,
  lock: number,
  statements: string,
): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(${lock}); ${statements}`)
}
