import { expect, test } from 'vitest'
import { renamedOverrides } from '../../src/domain/overrides.ts'

test('overrides follow the names of their steps, of those they depend on too', () => {
  const overrides = { steps: { a: { title: 'A' }, c: { dependsOn: ['a', 'b', 'x'] } } }
  expect(renamedOverrides(overrides, { a: 'first', b: 'second' })).toEqual({
    steps: { first: { title: 'A' }, c: { dependsOn: ['first', 'second', 'x'] } },
  })
})

test('two steps may swap their names, and a renamed one takes the place of one that left', () => {
  const overrides = { steps: { a: { title: 'A' }, b: { title: 'B' } } }
  expect(renamedOverrides(overrides, { a: 'b', b: 'a' })).toEqual({
    steps: { b: { title: 'A' }, a: { title: 'B' } },
  })
  expect(renamedOverrides(overrides, { a: 'b' })).toEqual({ steps: { b: { title: 'A' } } })
})
