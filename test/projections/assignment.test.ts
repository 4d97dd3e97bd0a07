import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dealt, rebalance } from '../../src/projections/assignment.ts'
import { partitionOf } from '../../src/projections/partition.ts'

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
const somePartitions = fc.integer({ min: 1, max: 12 }).map((count) => names('p', count))
const someNodes = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 6 })

describe('partitions are dealt out', () => {
  test('each to one node, to none more than one more than to another, whatever the order of the names', () => {
    fc.assert(
      fc.property(somePartitions, someNodes, (partitions, nodes) => {
        const hands = dealt(partitions, nodes)
        expect([...hands.values()].flat().sort()).toEqual([...partitions].sort())
        const counts = [...hands.values()].map(({ length }) => length)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(dealt([...partitions].reverse(), [...nodes].reverse())).toEqual(hands)
      }),
    )
  })

  test('so that all have their share soon after nodes came and went, and never two have the same', () => {
    fc.assert(
      fc.property(
        somePartitions,
        fc.array(someNodes, { minLength: 1, maxLength: 5 }),
        (partitions, times) => {
          const holder = new Map<string, string>()
          for (const nodes of times) {
            for (const [partition, node] of holder) if (!nodes.includes(node)) holder.delete(partition)
            for (let look = 0; look < 2; look++)
              for (const node of nodes) {
                const { give, take } = rebalance({
                  partitions,
                  nodes,
                  node,
                  held: new Set(partitions.filter((one) => holder.get(one) === node)),
                  free: new Set(partitions.filter((one) => !holder.has(one))),
                  kept: new Set(),
                })
                for (const partition of give) holder.delete(partition)
                for (const partition of take) {
                  expect(holder.has(partition)).toBe(false)
                  holder.set(partition, node)
                }
              }
            for (const [node, hand] of dealt(partitions, nodes))
              expect(partitions.filter((one) => holder.get(one) === node)).toEqual(
                partitions.filter((one) => hand.includes(one)),
              )
          }
        },
      ),
    )
  })
})

test('what is kept is not given away, and what another has is not taken', () => {
  const division = { partitions: ['a', 'b'], nodes: ['n1', 'n2'], node: 'n1', free: new Set<string>() }
  expect(rebalance({ ...division, held: new Set(['b']), kept: new Set(['b']) })).toEqual({
    give: [],
    take: [],
  })
  expect(rebalance({ ...division, held: new Set(['b']), kept: new Set() })).toEqual({ give: ['b'], take: [] })
})

test('a node that nobody sees yet counts itself', () => {
  expect(
    rebalance({
      partitions: ['a', 'b'],
      nodes: [],
      node: 'n1',
      held: new Set(),
      free: new Set(['a', 'b']),
      kept: new Set(),
    }),
  ).toEqual({ give: [], take: ['a', 'b'] })
})

test('a stream is of the same partition in every build: by the CRC-32 of its name', () => {
  expect(partitionOf('123456789', 2 ** 32)).toBe(0xcbf43926)
  expect(names('session-acme_s', 6).map((stream) => partitionOf(stream, 4))).toEqual([1, 3, 1, 3, 0, 2])
})
