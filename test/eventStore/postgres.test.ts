import { afterAll, beforeAll } from 'vitest'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { describeEventStore } from './contract.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

describeEventStore('PostgreSQL', () =>
  createPostgresEventStore({ connectionString: database.connectionString }),
)
