import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Silence } from '../../src/eventStore/eventStoreDbErrors.ts'
import { Inbox, type Source } from '../../src/eventStore/eventStoreDbInbox.ts'

const aSource = () => new Readable({ objectMode: true, read: () => {} })
const inboxOn = (source: Readable, limit = 100) =>
  new Inbox<string>(source as unknown as Source<string>, { limit, kind: 'read' })

describe('the inbox of a client stream', () => {
  test('says that it caught up only after the events that the word overtook', async () => {
    const source = aSource()
    const inbox = inboxOn(source)
    source.push('a')
    source.push('b')
    source.emit('caughtUp')
    expect(await inbox.take(50)).toEqual({ items: ['a', 'b'], caughtUp: true })
  })

  test('hands on what came before an error, then the error', async () => {
    const source = aSource()
    const inbox = inboxOn(source)
    source.push('a')
    await new Promise((resolve) => setImmediate(resolve))
    source.emit('error', new Error('cut'))
    expect(await inbox.take(50)).toEqual({ items: ['a'], caughtUp: false })
    await expect(inbox.take(50)).rejects.toThrow('cut')
  })

  test('tells the end, silence, and a stream that was destroyed before its end apart', async () => {
    const ended = aSource()
    const first = inboxOn(ended)
    ended.push(null)
    expect(await first.take(50)).toBeUndefined()
    await expect(inboxOn(aSource()).take(10)).rejects.toThrow(Silence)
    const destroyed = aSource()
    const third = inboxOn(destroyed)
    destroyed.destroy()
    await expect(third.take(50)).rejects.toThrow('before its end')
  })

  test('holds no more than its limit', async () => {
    const source = aSource()
    const inbox = inboxOn(source, 3)
    for (const item of 'abcdefgh') source.push(item)
    source.push(null)
    const taken: string[] = []
    for (let next = await inbox.take(50); next; next = await inbox.take(50)) {
      expect(next.items.length).toBeLessThanOrEqual(3)
      taken.push(...next.items)
    }
    expect(taken.join('')).toBe('abcdefgh')
  })
})
