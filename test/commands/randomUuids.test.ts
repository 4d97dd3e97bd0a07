import { expect, test } from 'vitest'
import { nextUuid } from '../../src/commands/import/randomUuids.ts'

test('ids are random UUIDs, each another, beyond the first batch too', () => {
  const ids = Array.from({ length: 2000 }, nextUuid)
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(ids.length)
})
