import type pg from 'pg'
import { comparePositions, type Position } from '../domain/position.ts'
import { asSuperseded, generationOf, MOVE, moveParameters } from './checkpoint.ts'
import type { ParkedEvent } from './fold.ts'
import type { Lease } from './lease.ts'
import { recordParked } from './parkedEvents.ts'
import { UnfitRow } from './rowCodec.ts'
import { runWrite, together } from './rowStore.ts'
import type { Working } from './working.ts'
import type { Write } from './writes.ts'

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

/** What was read since the last transaction. */
export interface Batch {
  readonly through: Position
  /** Of its first event. */
  readonly first: Position | undefined
  readonly recordedAt: string | null
  readonly events: number
}

/**
 * One transaction: checkpoints moved on, rows, sums and parked events written. Mostly it is one statement. Answers the events that it parked.
 *
 * @throws Superseded, RefusedData
 */
export async function storeChanges(
  writer: pg.ClientBase,
  leases: readonly Lease[],
  all: readonly Working[],
  batch: Batch,
): Promise<(ParkedEvent & { readonly family: string })[]> {
  const { through, recordedAt } = batch
  const moving = all.filter(({ generation }) => comparePositions(generation.position, through) < 0)
  const work = moving.map((working) => {
    const changes = working.workspace.take()
    return { working, parked: changes.parked, writes: working.planner.plan(changes) }
  })
  const move = moveParameters(
    leases,
    moving.map(({ generation }) => generation),
    through,
    recordedAt,
  )
  try {
    if (!(await inOneStatement(writer, work, move))) await inManyStatements(writer, work, move, batch)
  } catch (error) {
    throw asSuperseded(error)
  }
  return work.flatMap(({ working, parked }) => {
    working.workspace.stored()
    const { generation } = working
    working.generation = generationOf(
      generation,
      generation.partitions.map((one) => ({ ...one, position: through })),
    )
    return parked.map((one) => ({ ...one, family: working.family.name }))
  })
}

interface Work {
  readonly working: Working
  readonly parked: readonly ParkedEvent[]
  readonly writes: readonly Write[]
}

/** Statements differ by which tables they write: so many are kept prepared. */
const PREPARED = 200
const names = new Map<string, string>()

/** A single statement is a transaction. False where the work does not fit one, or is refused: then nothing was done. */
async function inOneStatement(
  writer: pg.ClientBase,
  work: readonly Work[],
  move: readonly unknown[],
): Promise<boolean> {
  if (work.some(({ parked }) => parked.length > 0)) return false
  try {
    const prepared = together(
      work.flatMap(({ writes }) => writes),
      move,
    )
    if (!prepared) return false
    const text = `${prepared.text}select ${MOVE}`
    if (!names.has(text) && names.size < PREPARED) names.set(text, `store ${names.size}`)
    const name = names.get(text)
    await writer.query({ text, values: prepared.values, ...(name !== undefined && { name }) })
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

async function inManyStatements(
  writer: pg.ClientBase,
  work: readonly Work[],
  move: readonly unknown[],
  { first, events }: Batch,
): Promise<void> {
  try {
    await writer.query('begin')
    await writer.query({ name: 'move', text: `select ${MOVE}`, values: [...move] })
    for (const { working, writes, parked } of work) {
      try {
        for (const write of writes) await runWrite(writer, write)
        await recordParked(writer, working.generation, parked)
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
}

/** Values that a column or an index cannot hold (SQLSTATE classes 22, 23 and 54), as opposed to a database in trouble. */
function isRefused(error: unknown): boolean {
  return error instanceof UnfitRow || /^(22|23|54)/.test((error as { code?: string }).code ?? '')
}
