import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { breakages, builds } from './changes.ts'

const all = [
  ...Object.entries(breakages),
  ...Object.entries(builds).flatMap(([name, changes]) => changes.map((change) => [name, change] as const)),
]

test.each(all)('%s: the line that a node is to have changed is there once', (_name, { file, from }) => {
  const source = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
  expect(source.split(from)).toHaveLength(2)
})
