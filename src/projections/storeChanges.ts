import type pg from 'pg'
import { comparePositions, type Position } from '../domain/position.ts'
import { type Generation, moveCheckpoints } from './checkpoint.ts'
import type { Family } from './family.ts'
import type { ParkedEvent } from './fold.ts'
import { holdLease, type Lease } from './lease.ts'
import { recordParked } from './parkedEvents.ts'
import { UnfitRow } from './rowCodec.ts'
import type { RowStore } from './rowStore.ts'
import type { Workspace } from './workspace.ts'

/** Data that the database refused, somewhere among these events. */
export class RefusedData extends Error {
  override readonly name = 'RefusedData'
  readonly family: string
  readonly events: number
  readonly first: Position

  constructor(family: string, events: number, first: Position, cause: unknown) {
    super((cause as Error).message, { cause })
    this.family = family
    this.events = events
    this.first = first
  }
}

/** A family that is being projected. */
export interface Working {
  readonly family: Family
  readonly store: RowStore
  readonly workspace: Workspace
  generation: Generation
}

/** What was read since the last transaction. */
export interface Batch {
  readonly through: Position
  /** Of its first event. */
  readonly first: Position | undefined
  readonly recordedAt: string | null
  readonly events: number
}

/**
 * One transaction: the lease held, checkpoints moved on, rows, sums and parked events written. Answers the events that it parked.
 *
 * @throws Superseded, RefusedData
 */
export async function storeChanges(
  writer: pg.ClientBase,
  lease: Lease,
  all: readonly Working[],
  { through, first, recordedAt, events }: Batch,
): Promise<(ParkedEvent & { readonly family: string })[]> {
  const moving = all.filter(({ generation }) => comparePositions(generation.position, through) < 0)
  const taken = moving.map((working) => ({ working, changes: working.workspace.take() }))
  try {
    await writer.query('begin')
    await holdLease(writer, lease)
    await moveCheckpoints(
      writer,
      moving.map(({ generation }) => generation),
      through,
      recordedAt,
    )
    for (const { working, changes } of taken) {
      try {
        await working.store.write(changes)
        await recordParked(writer, working.generation, changes.parked)
      } catch (error) {
        if (!isRefused(error) || first === undefined) throw error
        throw new RefusedData(working.family.name, events, first, error)
      }
    }
    await writer.query('commit')
  } catch (error) {
    await writer.query('rollback').catch(() => {})
    throw error
  }
  return taken.flatMap(({ working, changes }) => {
    working.workspace.stored()
    working.generation = { ...working.generation, position: through }
    return changes.parked.map((parked) => ({ ...parked, family: working.family.name }))
  })
}

/** Values that a column or an index cannot hold (SQLSTATE classes 22, 23 and 54), as opposed to a database in trouble. */
function isRefused(error: unknown): boolean {
  return error instanceof UnfitRow || /^(22|23|54)/.test((error as { code?: string }).code ?? '')
}
