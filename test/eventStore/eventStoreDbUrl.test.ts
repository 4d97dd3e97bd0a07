import { describe, expect, test } from 'vitest'
import { parseEventStoreDbUrl, withKeepAlive } from '../../src/eventStore/eventStoreDbUrl.ts'

const connectionString = (text: string) => parseEventStoreDbUrl(text).connectionString

describe('a connection string of EventStoreDB', () => {
  test.each([
    ['esdb://localhost:2113?tls=false', 'esdb://localhost:2113?tls=false'],
    ['kurrentdb://localhost?tls=false', 'esdb://localhost:2113?tls=false'],
    ['kurrentdb+discover://cluster.example.com', 'esdb+discover://cluster.example.com:2113'],
    ['kurrentdb://a:1,b:2,c:3/?nodePreference=leader', 'esdb://a:1,b:2,c:3?nodePreference=leader'],
    ['esdb://admin:changeit@db:2113', 'esdb://admin:changeit@db:2113'],
  ])('%s is told to the client as %s', (text, told) => expect(connectionString(text)).toBe(told))

  test('a password keeps its @, : and % whether or not they were escaped', () => {
    expect(connectionString('esdb://admin:p@ss:w%rd@db:2113')).toBe('esdb://admin:p%40ss%3Aw%25rd@db:2113')
    expect(connectionString('esdb://admin:p%40ss@db:2113')).toBe('esdb://admin:p%40ss@db:2113')
  })

  test('several hosts, and discovery, are a cluster whose leader is read from', () => {
    expect(parseEventStoreDbUrl('esdb://a,b')).toMatchObject({ cluster: true, readsFromLeader: true })
    expect(parseEventStoreDbUrl('esdb+discover://a?nodePreference=follower')).toMatchObject({
      cluster: true,
      readsFromLeader: false,
    })
    expect(parseEventStoreDbUrl('esdb://a')).toMatchObject({ cluster: false, readsFromLeader: false })
  })

  test('credentials that tls=false would drop are noticed', () => {
    expect(parseEventStoreDbUrl('esdb://u:p@db?tls=false').dropsCredentials).toBe(true)
    expect(parseEventStoreDbUrl('esdb://u:p@db').dropsCredentials).toBe(false)
  })

  test.each([
    ['http://localhost:2113', 'it must begin with esdb://'],
    ['esdb://', 'it names no host'],
    ['esdb://db:port', '"port" is not a port'],
    ['esdb://db:70000', '"70000" is not a port'],
    ['esdb://a,,b', '"" is not a host name'],
    ['esdb://user@db', 'credentials must be name:password'],
    ['esdb://db?tls=no', 'tls cannot be "no"'],
    ['esdb://db?tsl=false', '"tsl" is not an option'],
    ['esdb://db?nodePreference=boss', 'nodePreference cannot be "boss"'],
  ])('%s is refused: %s', (text, reason) => expect(() => connectionString(text)).toThrow(reason))

  test('what is wrong is told without the password', () => {
    expect(() => connectionString('esdb://admin:secret@db:x')).toThrow(/^(?!.*secret)/)
  })

  test('the keep-alive interval is set in place of the one that was given', () => {
    const url = parseEventStoreDbUrl('esdb://db?keepAliveInterval=20000&tls=false')
    expect(withKeepAlive(url, 20_001)).toBe('esdb://db:2113?tls=false&keepAliveInterval=20001')
    expect(withKeepAlive(parseEventStoreDbUrl('esdb://db'), 10_001)).toBe(
      'esdb://db:2113?keepAliveInterval=10001',
    )
  })
})
