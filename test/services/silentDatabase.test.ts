import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCommandKeys } from '../../src/commands/commandKeys.ts'
import { createPostgresEventStore } from '../../src/eventStore/postgres.ts'
import { connect } from '../../src/projections/connections.ts'
import { followerOf, ids, isCaughtUp, newStream, signals } from '../eventStore/contractSupport.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { type TcpProxy, tcpProxy } from '../support/tcpProxy.ts'
import { network } from '../torture/network.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await freshDatabase()
  await (await createPostgresEventStore(database)).close()
})

afterAll(() => database.drop())

/** A network of one's own to the database. */
async function through(): Promise<{ proxy: TcpProxy; connectionString: string }> {
  const url = new URL(database.connectionString)
  const proxy = await tcpProxy({ host: url.hostname, port: Number(url.port) })
  url.port = String(proxy.port)
  return { proxy, connectionString: url.href }
}

describe.concurrent('a connection that fell silent without a word', () => {
  test('holds no key up for ever: who waits is told, and the next is served', async () => {
    const { proxy, connectionString } = await through()
    const keys = await createCommandKeys({ connectionString, relaxed: true })
    const use = (key: string) => ({
      tenant: 'acme',
      key,
      stream: 's',
      hash: 'h',
      at: new Date().toISOString(),
    })
    expect(await keys.take(use('a'))).toBe('taken')
    proxy.muteServer()
    await expect(keys.take(use('b'))).rejects.toThrow('timeout')
    proxy.heal()
    expect(await keys.take(use('c'))).toBe('taken')
    proxy.cut()
    await keys.close()
    await proxy.close()
  })

  test('does not keep who projects: its lease cannot be renewed, and all its calls fail', async () => {
    const { proxy, connectionString } = await through()
    const connections = await connect(connectionString, 'test')
    proxy.muteServer()
    const writing = connections.writer.query('select 1')
    writing.catch(() => {})
    await expect(connections.control.query('select 1')).rejects.toThrow('timeout')
    connections.lose()
    await expect(writing).rejects.toThrow('terminated')
    expect(connections.lost.aborted).toBe(true)
    await connections.close()
    await proxy.close()
  })

  test('and listened for what the log gains is made anew, and nothing is missed meanwhile', async () => {
    const url = new URL(database.connectionString)
    const lossy = await network({ host: url.hostname, port: Number(url.port) })
    url.port = String(lossy.port)
    const [far, near] = await Promise.all([
      createPostgresEventStore({ connectionString: url.href, deadline: 2000 }),
      createPostgresEventStore(database),
    ])
    const looking = new pg.Client(database)
    looking.on('error', () => {})
    await looking.connect()
    const listeners = async () => {
      const { rows } = await looking.query(
        "select from pg_stat_activity where datname = current_database() and application_name = 'gangway: follow'",
      )
      return rows.length
    }
    const follower = followerOf(far, { from: await far.head() })
    await follower.until(isCaughtUp)
    await expect.poll(listeners, { timeout: 5000 }).toBe(1)
    lossy.lose()
    await expect.poll(listeners, { timeout: 5000 }).toBe(0)
    const stream = newStream()
    const [event] = signals(stream, 1)
    await near.append(stream, [event!], 'no_stream')
    await expect.poll(listeners, { timeout: 10_000 }).toBe(1)
    await follower.until(({ events }) => ids(events()).includes(event!.id))
    await follower.stop()
    await Promise.all([far.close(), near.close(), looking.end()])
    await lossy.close()
  })
})
