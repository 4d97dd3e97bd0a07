import type pg from 'pg'
import type { RecordedEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import type { Generation } from './checkpoint.ts'
import type { Family } from './family.ts'
import { parkKeyOf } from './fold.ts'
import { loadMember } from './memberRows.ts'
import { parkedKeys } from './parkedEvents.ts'
import { partitionOf } from './partition.ts'
import { Workspace } from './workspace.ts'
import { WritePlanner } from './writes.ts'

/** A family to be projected, or some partitions of it. */
export interface Target {
  readonly family: Family
  readonly generation: Generation
}

/** A family that is being projected, or those partitions of it that stand at one position: they are folded and written together. */
export interface Working {
  readonly family: Family
  readonly planner: WritePlanner
  readonly workspace: Workspace
  /** Of which partitions events are taken; undefined where it is all of them. */
  readonly part: ReadonlySet<number> | undefined
  generation: Generation
}

export async function prepareWorking(
  { family, generation }: Target,
  writer: pg.ClientBase,
  reader: pg.ClientBase,
  cacheRows: number,
): Promise<Working> {
  const partitions = generation.partitions.map(({ partition }) => partition)
  const slot = Math.min(...partitions)
  return {
    family,
    generation,
    part: partitions.length === family.partitions ? undefined : new Set(partitions),
    planner: new WritePlanner(family, generation.generation, slot),
    workspace: new Workspace({
      family,
      load: (member, keys) => loadMember(reader, family, generation.generation, slot, member, keys),
      parkedKeys: await parkedKeys(writer, generation),
      cacheRows,
      empty: generation.position === '0',
    }),
  }
}

/** Whether an event is one for these partitions of this family. */
export function takes(
  { family, part }: Working,
  event: { readonly type: string; readonly stream: string },
): boolean {
  return family.types.has(event.type) && (!part || part.has(partitionOf(event.stream, family.partitions)))
}

/**
 * Folds what comes after `through` and is not known yet. Mostly all events at once; one that must be parked comes between those before and
 * those after it: what could not be decoded (`faults`), and what the database refused (`refused`, by family and position).
 */
export async function applyTo(
  working: Working,
  events: readonly RecordedEvent[],
  through: Position,
  faults: ReadonlyMap<RecordedEvent, string>,
  refused: ReadonlyMap<string, string>,
): Promise<void> {
  const { family, workspace, generation, part } = working
  const ahead = comparePositions(generation.position, through) > 0
  const own =
    ahead || part
      ? events.filter(
          (event) =>
            (!ahead || comparePositions(event.position, generation.position) > 0) &&
            (!part || takes(working, event)),
        )
      : events
  if (faults.size + refused.size === 0) return workspace.apply(own)
  let from = 0
  for (const [place, event] of own.entries()) {
    if (!family.types.has(event.type)) continue
    const fault = faults.get(event)
    const refusal = refused.get(`${family.name}@${event.position}`)
    if (fault === undefined && refusal === undefined) continue
    await workspace.apply(own.slice(from, place))
    from = place + 1
    if (fault !== undefined) workspace.park(event, parkKeyOf([event.stream]), fault)
    else workspace.park(event, keyOf(family, event), refusal!)
  }
  await workspace.apply(own.slice(from))
}

function keyOf({ root }: Family, event: RecordedEvent): string {
  return parkKeyOf(root.key(event, undefined) ?? [event.stream])
}
