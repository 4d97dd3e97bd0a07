import { expect, test } from 'vitest'
import { type PathsQuery, queryPaths } from '../../../src/analysis/paths/paths.ts'
import { type Happened, sourceOf } from '../support/histories.ts'

const walk = (session: string, names: string): Happened[] =>
  [...names].map((what, at) => ({ session, at, what: what === '!' ? '!StepStarted' : what }))

const source = sourceOf(['abcd', 'a!bd', 'xabbd', 'acd', 'bcd'].flatMap((names, i) => walk(`s${i}`, names)))

function paths(query: PathsQuery) {
  const outcome = queryPaths(query, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer
}

test('what people did after a step, bookkeeping left out', () => {
  const { nodes, links } = paths({ from: { signal: 'a' }, depth: 2, limit: 10 })
  expect(nodes[0]).toEqual({ name: 'a', step: 0, count: 4 })
  expect(links).toEqual([
    { from: 'a', to: 'b', step: 0, count: 3 },
    { from: 'a', to: 'c', step: 0, count: 1 },
    { from: 'b', to: 'c', step: 1, count: 1 },
    { from: 'b', to: 'd', step: 1, count: 1 },
    { from: 'b', to: 'b', step: 1, count: 1 },
    { from: 'c', to: 'd', step: 1, count: 1 },
  ])
})

test('between two steps only who arrived counts', () => {
  const { nodes, links } = paths({ from: { signal: 'a' }, to: { signal: 'c' }, depth: 5 })
  expect(nodes.find(({ name }) => name === 'a')!.count).toBe(2)
  expect(links.reduce((sum, { to, count }) => sum + (to === 'c' ? count : 0), 0)).toBe(2)
})

test('the most travelled links are kept, and faults are told', () => {
  const { links, nodes, warnings } = paths({ from: { signal: 'a' }, depth: 2, limit: 1 })
  expect(links).toHaveLength(1)
  expect(nodes.map(({ name }) => name)).toEqual(['a', 'b'])
  expect(warnings).toEqual(['of 6 links the 1 most travelled are shown'])
  const outcome = queryPaths({ depth: 0, limit: 1e9, from: { step: 'no' } }, source)
  expect('faults' in outcome && outcome.faults.map(({ pointer }) => pointer)).toEqual([
    '/from/step',
    '/depth',
    '/limit',
  ])
})
