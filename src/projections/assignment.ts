/** What a node does about the partitions, so that all nodes come to hold equally many. */
export interface Rebalancing {
  /** Free, and ours to take. */
  readonly take: readonly string[]
  /** Held by us, and another's to take. */
  readonly give: readonly string[]
}

export interface Division {
  readonly partitions: readonly string[]
  /** Those alive. */
  readonly nodes: readonly string[]
  readonly node: string
  readonly held: ReadonlySet<string>
  /** Whose lease nobody has. */
  readonly free: ReadonlySet<string>
  /** Held and not to be given away now. */
  readonly kept: ReadonlySet<string>
}

/**
 * Deals the partitions out to the nodes in turn, both in the order of their names: every node comes to the same answer. Pure. Leases see to it that
 * nobody has what another has; this only says who should.
 */
export function rebalance({ partitions, nodes, node, held, free, kept }: Division): Rebalancing {
  const ours = new Set(dealt(partitions, [...new Set([...nodes, node])]).get(node))
  return {
    take: [...ours].filter((name) => free.has(name) && !held.has(name)),
    give: [...held].filter((name) => !ours.has(name) && !kept.has(name)),
  }
}

/** The partitions of each node. */
export function dealt(partitions: readonly string[], nodes: readonly string[]): Map<string, string[]> {
  const inTurn = [...nodes].sort()
  const hands = new Map(inTurn.map((node): [string, string[]] => [node, []]))
  for (const [index, partition] of [...partitions].sort().entries())
    hands.get(inTurn[index % inTurn.length]!)!.push(partition)
  return hands
}
