import type pg from 'pg'
import { comparePositions, type Position } from '../domain/position.ts'
import { type Lease, Superseded } from './lease.ts'

/** One generation of a family: a set of tables and how far into the log they reach. Sometimes only some partitions of it. */
export interface Generation {
  readonly family: string
  readonly generation: number
  readonly version: number
  readonly status: 'live' | 'building'
  /** That of the partition furthest behind. */
  readonly position: Position
  /** In order. */
  readonly partitions: readonly PartitionCheckpoint[]
}

export interface PartitionCheckpoint {
  readonly partition: number
  readonly position: Position
  /** Counts whatever changes the tables beside reading on: who has another count has to look anew. */
  readonly changes: number
}

export async function generations(client: pg.ClientBase | pg.Pool): Promise<Generation[]> {
  const { rows } = await client.query(
    `select family, generation, version, status, partition, position::text, changes::text
       from read.checkpoints order by family, generation, partition`,
  )
  const found = Map.groupBy(rows, ({ family, generation }) => `${family} ${generation}`)
  return [...found.values()].map((of) =>
    generationOf(
      of[0],
      of.map(({ partition, position, changes }) => ({ partition, position, changes: Number(changes) })),
    ),
  )
}

export function generationOf(
  { family, generation, version, status }: Omit<Generation, 'position' | 'partitions'>,
  partitions: readonly PartitionCheckpoint[],
): Generation {
  const position = least(partitions.map((one) => one.position))
  return { family, generation, version, status, position, partitions }
}

/** Those partitions that a test picks out, in parts that stand at the same position each. */
export function standingTogether(
  generation: Generation,
  picked: (partition: PartitionCheckpoint) => boolean = () => true,
): Generation[] {
  const found = Map.groupBy(generation.partitions.filter(picked), ({ position }) => position)
  return [...found.values()].map((partitions) => generationOf(generation, partitions))
}

/** A generation some of whose partitions are further on. */
export function withPartitions(generation: Generation, moved: readonly PartitionCheckpoint[]): Generation {
  const now = new Map([...generation.partitions, ...moved].map((one) => [one.partition, one]))
  return generationOf(generation, [...now.values()])
}

export function least(positions: readonly Position[]): Position {
  return positions.reduce((a, b) => (comparePositions(a, b) <= 0 ? a : b))
}

export function greatest(positions: readonly Position[]): Position {
  return positions.reduce((a, b) => (comparePositions(a, b) >= 0 ? a : b))
}

/** SQLSTATE of `MOVE` where something is not as we left it. */
const SUPERSEDED = 'GW001'

/** Moves checkpoints on, if they are where we left them and the leases are ours; parameters are `moveParameters`. */
export const MOVE = `read.move_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

/** `leases` are one holder's. */
export function moveParameters(
  leases: readonly Lease[],
  from: readonly Generation[],
  to: Position,
  recordedAt: string | null,
): unknown[] {
  const moving = from.flatMap(({ family, generation, partitions }) =>
    partitions.map((one) => ({ family, generation, ...one })),
  )
  return [
    leases.map(({ name }) => name),
    leases[0]!.holder,
    leases.map(({ epoch }) => epoch),
    moving.map(({ family }) => family),
    moving.map(({ generation }) => generation),
    moving.map(({ partition }) => partition),
    moving.map(({ position }) => position),
    moving.map(({ changes }) => changes),
    to,
    recordedAt,
  ]
}

/** The error as it is, or that it was `MOVE` that found somebody else at work. */
export function asSuperseded(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string }
  return code === SUPERSEDED ? new Superseded(message) : error
}
