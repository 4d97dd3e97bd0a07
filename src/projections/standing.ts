import { START } from '../domain/position.ts'
import { type Generation, greatest } from './checkpoint.ts'
import type { Family } from './family.ts'
import type { Target } from './working.ts'

export interface Standing {
  /** Can be read on with this code. */
  readonly ready: readonly Target[]
  /** Have to be built: another version, or new beside others. */
  readonly stale: readonly Family[]
}

export function standingOf(families: readonly Family[], all: readonly Generation[]): Standing {
  const live = new Map(all.filter(({ status }) => status === 'live').map((one) => [one.family, one]))
  const hasBegun = ({ name }: Family) =>
    greatest(live.get(name)!.partitions.map(({ position }) => position)) !== START
  const begun = families.some(hasBegun)
  const isReady = (family: Family) => isOf(live.get(family.name)!, family) && (hasBegun(family) || !begun)
  return {
    ready: families.filter(isReady).map((family) => ({ family, generation: live.get(family.name)! })),
    stale: families.filter((family) => !isReady(family)),
  }
}

/** Whether a generation is of the family as it now is. */
export function isOf({ version, partitions }: Generation, family: Family): boolean {
  return version === family.version && partitions.length === family.partitions
}

/** A node of a newer build has been here: this one would not know how to go on. */
export function newerBuildIsLive(families: readonly Family[], all: readonly Generation[]): boolean {
  return families.some(({ name, version }) =>
    all.some((one) => one.family === name && one.status === 'live' && one.version > version),
  )
}

/** The name of the lease on a partition. */
export function leaseName(family: Family, partition: number): string {
  return `projector ${family.name}/${partition}`
}

export function leaseNames(families: readonly Family[]): string[] {
  return families.flatMap((family) =>
    Array.from({ length: family.partitions }, (_, partition) => leaseName(family, partition)),
  )
}
