import fc from 'fast-check'
import { expect, test } from 'vitest'
import { immutableMap } from '../../src/domain/immutableMap.ts'

test('holds what a map holds, in order of the keys, and earlier ones stay as they were', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.integer())), (entries) => {
      const expected = new Map<string, number>()
      let map = immutableMap<number>()
      for (const [key, value] of entries) {
        const before = [...map.entries()]
        const next = map.set(key, value)
        expect([...map.entries()]).toEqual(before)
        map = next
        expected.set(key, value)
        expect([map.get(key), map.has(key)]).toEqual([value, true])
      }
      expect(map.size).toBe(expected.size)
      expect([...map.entries()]).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)))
      expect(map.has('not there')).toBe(false)
    }),
  ))

test('the same value again is the same map', () => {
  const map = immutableMap([['a', 1]])
  expect(map.set('a', 1)).toBe(map)
})

test.each([
  ['ascending', (n: number) => n],
  ['descending', (n: number) => -n],
  ['from both ends', (n: number) => (n % 2 ? n : -n)],
])('keys that come %s are found in a few steps', (_, order) => {
  const keys = Array.from({ length: 20_000 }, (_, n) => String(order(n) + 50_000).padStart(6, '0'))
  const begun = performance.now()
  const map = immutableMap(keys.map((key) => [key, key] as const))
  for (const key of keys) if (map.get(key) !== key) expect.fail(key)
  expect(performance.now() - begun).toBeLessThan(8000)
})
