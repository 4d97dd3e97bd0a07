import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCommandKeys } from '../../src/commands/commandKeys.ts'
import { connect } from '../../src/projections/connections.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { type TcpProxy, tcpProxy } from '../support/tcpProxy.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await freshDatabase()
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
})
