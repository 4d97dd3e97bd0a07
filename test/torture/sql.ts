import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** Asks until PostgreSQL answers. */
export type Sql = <Row extends object>(text: string, values?: readonly unknown[]) => Promise<Row[]>

const PATIENCE_MS = 30_000

/** Straight to PostgreSQL, past every network that fails. */
export const patientSql =
  (connectionString: string): Sql =>
  async (text, values = []) => {
    for (const deadline = performance.now() + PATIENCE_MS; ; ) {
      const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000, query_timeout: 60_000 })
      client.on('error', () => {})
      try {
        await client.connect()
        return (await client.query(text, [...values])).rows
      } catch (error) {
        if (performance.now() > deadline) throw error
        await delay(100)
      } finally {
        await client.end().catch(() => {})
      }
    }
  }
