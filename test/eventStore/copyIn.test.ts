import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { COPY_DATA, COPY_DONE, copyIn } from '../../src/eventStore/copyIn.ts'
import { freshDatabase } from '../support/database.ts'

async function clientWithTable(): Promise<pg.Client> {
  const database = await freshDatabase()
  const client = new pg.Client({ connectionString: database.connectionString, query_timeout: 5000 })
  await client.connect()
  onTestFinished(async () => {
    await client.end()
    await database.drop()
  })
  await client.query('create table taken (n int primary key)')
  return client
}

/** Rows in COPY's text format as they go over the wire. */
function messages(rows: readonly (number | string)[]): Buffer {
  const text = Buffer.from(`${rows.join('\n')}\n`)
  const head = Buffer.from([COPY_DATA, 0, 0, 0, 0])
  head.writeInt32BE(text.length + 4, 1)
  return Buffer.concat([head, text, COPY_DONE])
}

test('rows are taken and what follows in the same text is done, before it answers', async () => {
  const client = await clientWithTable()
  await client.query('begin')

  await copyIn(client, 'copy taken from stdin; commit', messages([1, 2, 3]))

  // Of a transaction that is over, nothing can be taken back.
  await client.query('rollback')
  expect((await client.query('select n from taken order by n')).rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
})

test('what the server refuses, as a statement or a row in the middle, is an error and the connection lives on', async () => {
  const client = await clientWithTable()
  const many = Array.from({ length: 200_000 }, (_, n) => n)
  const copying = (table: string, rows: readonly number[]) =>
    copyIn(client, `copy ${table} from stdin; commit`, messages(rows))
  await expect(copying('missing', many)).rejects.toMatchObject({ code: '42P01' })

  await client.query('begin')
  await expect(copying('taken', [7, 7, ...many])).rejects.toMatchObject({ code: '23505' })
  await client.query('rollback')

  await copyIn(client, 'copy taken from stdin', messages([1]))
  expect((await client.query('select n from taken')).rows).toEqual([{ n: 1 }])
})
