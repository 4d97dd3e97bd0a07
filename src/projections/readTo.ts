import type pg from 'pg'
import { comparePositions, type Position } from '../domain/position.ts'
import { catalogue } from '../eventStore/catalogue.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { type Generation, generationOf, greatest, least, withPartitions } from './checkpoint.ts'
import type { Family } from './family.ts'
import type { Lease } from './lease.ts'
import { type ProjectOptions, project } from './project.ts'

/** Where each partition is to end. */
export type Ends = (partition: number) => Position

export interface ReadToOptions {
  readonly store: EventStore
  readonly writer: pg.ClientBase
  readonly reader: pg.ClientBase
  readonly lease: Lease
  readonly family: Family
  readonly signal: AbortSignal
  readonly tuning?: Pick<ProjectOptions, 'cacheRows' | 'pageSize' | 'bulkRows'>
  /** How far the generation is, where reading is to end for now, and events since the last time. */
  readonly onRead: (generation: Generation, end: Position, events: number) => void
}

/**
 * Reads every partition of a generation on to its own end and no further; one that is there or past it stays. They are read together as far
 * as all of them go. Answers the generation as it stands then, short of its ends where the signal came.
 */
export async function readTo(
  options: ReadToOptions,
  generation: Generation,
  endOf: Ends,
): Promise<Generation> {
  const { store, writer, reader, lease, family, signal, tuning, onRead } = options
  let at = generation
  while (!signal.aborted) {
    const behind = at.partitions.filter(({ partition, position }) => isBefore(position, endOf(partition)))
    if (behind.length === 0) break
    const end = least(behind.map(({ partition }) => endOf(partition)))
    const part = behind.filter(({ position }) => isBefore(position, end))
    const moved = (to: Position) =>
      withPartitions(
        at,
        part.map((one) => (isBefore(one.position, to) ? { ...one, position: to } : one)),
      )
    onRead(at, end, 0)
    const read = await project(
      {
        ...tuning,
        store,
        writer,
        reader,
        leases: [lease],
        signal,
        until: end,
        ...filterOf(family),
        onStored: ({ through, events }) => onRead(moved(through), end, events),
      },
      [{ family, generation: generationOf(at, part) }],
    )
    at = withPartitions(
      at,
      read.flatMap((one) => one.generation.partitions),
    )
  }
  return at
}

/** Where the live tables’ partitions are; where they are divided otherwise than the family now is, the furthest of them. */
export function endsOf(live: Generation, family: Family): Ends {
  const positions = new Map(live.partitions.map(({ partition, position }) => [partition, position]))
  const furthest = greatest([...positions.values()])
  return (partition) => (live.partitions.length === family.partitions ? positions.get(partition)! : furthest)
}

export function isBefore(a: Position, b: Position): boolean {
  return comparePositions(a, b) < 0
}

/** So few types of events that reading only them is worth a filter. */
const FEW_TYPES = 4
/** The category that nearly everything is of: to read only its streams spares nothing. */
const MOST = 'session'

/** What of the log a family is made from, where that is little. */
function filterOf({ types }: Family): Pick<ProjectOptions, 'types' | 'categories'> {
  const categories = new Set([...types].map((type) => catalogue.get(type)?.category))
  const isNarrow = !categories.has(undefined) && !categories.has(MOST)
  return {
    ...(types.size <= FEW_TYPES && { types: [...types] }),
    ...(isNarrow && { categories: [...categories] as string[] }),
  }
}
