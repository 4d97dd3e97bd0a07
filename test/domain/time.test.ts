import fc from 'fast-check'
import { expect, test } from 'vitest'
import { millisecondsOf } from '../../src/domain/time.ts'

test('a time is read as the engine reads it, whatever is wrong with it', () => {
  const time = fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  const place = fc.nat(23)
  const character = fc.constantFrom('0', '3', '9', '-', ':', '.', 'T', 'Z', ' ', '/', 'x')
  const nearly = fc
    .tuple(time, place, character)
    .map(([text, at, other]) => text.slice(0, at) + other + text.slice(at + 1))
  fc.assert(
    fc.property(fc.oneof(time, nearly, fc.string()), (text) => {
      expect(millisecondsOf(text)).toBe(Date.parse(text))
    }),
    { numRuns: 3000 },
  )
})
