import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

/** Another engine with the same events in a table `events (session, step, ts, plan)`. */
export interface Peer {
  readonly name: string
  /** Too slow to be asked in every round. */
  readonly slow: boolean
  readonly counts: (sql: string) => Promise<number[][]>
  readonly close: () => Promise<void>
}

const COLUMNS = 'session integer, step smallint, ts bigint, plan smallint'

export async function startDuckDb(csv: string): Promise<Peer> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`create table events (${COLUMNS})`)
  await connection.run(`copy events from '${csv}' (header false)`)
  return {
    name: 'DuckDB',
    slow: false,
    counts: async (sql) => (await connection.runAndReadAll(sql)).getRows().map((row) => row.map(Number)),
    close: async () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

export async function startPostgres(connectionString: string, csv: Readable): Promise<Peer> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  // Nothing of loading goes on while the others are measured.
  await client.query(`create unlogged table events (${COLUMNS}) with (autovacuum_enabled = off)`)
  await pipeline(csv, client.query(copyFrom('copy events from stdin with (format csv)')))
  await client.query('vacuum analyze events')
  await client.query('checkpoint')
  await client.query(`set work_mem = '512MB'`)
  return {
    name: 'PostgreSQL',
    slow: true,
    counts: async (text) => {
      const { rows } = await client.query<string[]>({ text, rowMode: 'array' })
      return rows.map((row) => row.map(Number))
    },
    close: () => client.end(),
  }
}
