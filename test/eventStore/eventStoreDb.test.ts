import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEventStoreDbEventStore } from '../../src/eventStore/eventStoreDb.ts'
import { startEsdbContainer } from '../support/esdb/container.ts'
import { type EsdbServer, startEsdbServer } from '../support/esdb/server.ts'
import { describeEventStore } from './contract.ts'

describe('on the protocol server', () => {
  let server: EsdbServer
  beforeAll(async () => {
    server = await startEsdbServer()
  })
  afterAll(() => server.stop())

  describeEventStore('EventStoreDB, protocol server', () =>
    createEventStoreDbEventStore({ connectionString: server.connectionString }),
  )
})

const real = await startEsdbContainer()
if ('connectionString' in real) {
  describe('on a real server', () => {
    afterAll(() => real.stop())
    describeEventStore(`EventStoreDB, ${real.name}`, () =>
      createEventStoreDbEventStore({ connectionString: real.connectionString }),
    )
  })
} else test.skip(`an event store: EventStoreDB, a real server (${real.skipped})`)
