import pg from 'pg'
import { expect, test } from 'vitest'
import { freshDatabase } from './database.ts'

test('a fresh database is a real, empty PostgreSQL 18', async () => {
  const database = await freshDatabase()
  const client = new pg.Client({ connectionString: database.connectionString })
  await client.connect()
  const { rows } = await client.query(
    `select current_setting('server_version_num')::int / 10000 as major,
            (select count(*)::int from pg_tables where schemaname = 'public') as tables`,
  )
  await client.end()
  await database.drop()
  expect(rows).toEqual([{ major: 18, tables: 0 }])
})
