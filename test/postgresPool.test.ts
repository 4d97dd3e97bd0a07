import { expect, test } from 'vitest'
import { createPool } from '../src/postgresPool.ts'
import { freshDatabase } from './support/database.ts'

test('a connection that is lost while it is in hand fails the next call on it, and nothing else', async () => {
  const database = await freshDatabase()
  const pool = createPool({ connectionString: database.connectionString, max: 2 })
  const client = await pool.connect()
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const lost = new Promise((done) => client.once('end', done))
  await pool.query('select pg_terminate_backend($1)', [rows[0].pid])
  await lost
  await expect(client.query('select 1')).rejects.toThrow()
  client.release()
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await pool.end()
  await database.drop()
})
