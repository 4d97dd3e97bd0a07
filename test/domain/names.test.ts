import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { derivedId, eventId } from '../../src/domain/ids.ts'
import { comparePositions, isPosition, START } from '../../src/domain/position.ts'
import { parseStreamName, streamName, streamPrefix } from '../../src/domain/stream.ts'

describe('stream names', () => {
  test('hold category, tenant and id apart, whatever tenants and ids are called', () =>
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        (tenant, id) => {
          const name = streamName('session', tenant, id)
          expect(parseStreamName(name)).toEqual({ category: 'session', tenant, id })
          expect(name.startsWith(streamPrefix('session', tenant))).toBe(true)
        },
      ),
    ))
  test('of one tenant never begin like those of another', () =>
    expect(streamName('session', 'a_b', '1').startsWith(streamPrefix('session', 'a'))).toBe(false))
  test.each(['$ce-session', 'session', '-a_b', 'session-a', 'session-%E0%A4%A_1'])('%s is nobody’s', (name) =>
    expect(parseStreamName(name)).toBeUndefined(),
  )
})

describe('positions', () => {
  test('compare as integers', () => {
    expect(comparePositions('9', '10')).toBeLessThan(0)
    expect(comparePositions('10', '9')).toBeGreaterThan(0)
    expect(comparePositions('11', '12')).toBeLessThan(0)
    expect(comparePositions('12', '11')).toBeGreaterThan(0)
    expect(comparePositions(START, '0')).toBe(0)
  })
  test.each(['0', '7', '1234567890123456789'])('%s is one', (text) => expect(isPosition(text)).toBe(true))
  test.each(['', '-1', '01', '1.0', 'x', '12345678901234567890'])('"%s" is none', (text) =>
    expect(isPosition(text)).toBe(false),
  )
})

describe('derived ids', () => {
  test('are UUIDs of version 5, the same for the same parts', () => {
    expect(derivedId('a', 1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(derivedId('a', 1)).toBe(derivedId('a', 1))
  })
  test('differ where the same letters are other parts', () =>
    expect(derivedId('ab', 'c')).not.toBe(derivedId('a', 'bc')))
  test('of events differ by tenant, command and place', () => {
    const ids = [eventId('t', 'c', 0), eventId('t', 'c', 1), eventId('t', 'd', 0), eventId('u', 'c', 0)]
    expect(new Set(ids).size).toBe(4)
  })
})
