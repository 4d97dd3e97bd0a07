import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonEquals } from '../../src/domain/json.ts'

test('a value equals its copy, whatever the order of members', () =>
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(jsonEquals(value, JSON.parse(JSON.stringify(value)))).toBe(true)
    }),
  ))

test.each([
  [1, '1'],
  [null, {}],
  [{}, null],
  [[], {}],
  [{}, []],
  [[1], [1, 2]],
  [
    [1, 2],
    [2, 1],
  ],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ a: 1 }, { b: 1 }],
  [{ a: 1 }, { a: 2 }],
  [{ toString: 1 }, { x: 1 }],
])('%j is not %j', (a, b) => expect(jsonEquals(a, b)).toBe(false))
