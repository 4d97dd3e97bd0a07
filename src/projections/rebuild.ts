import { randomUUID } from 'node:crypto'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Comparison } from './compare.ts'
import { connect } from './connections.ts'
import type { Family } from './family.ts'
import { holdLease, releaseLease, takeLease } from './lease.ts'
import type { ProjectOptions } from './project.ts'
import { createRegistry } from './readSchema.ts'
import { Rebuilding } from './rebuilding.ts'

export interface RebuildOptions {
  readonly store: EventStore
  readonly connectionString: string
  readonly family: Family
  readonly signal: AbortSignal
  readonly onProgress?: (progress: RebuildProgress) => void
  readonly tuning?: Pick<ProjectOptions, 'cacheRows' | 'pageSize' | 'bulkRows'>
}

export interface RebuildProgress {
  readonly phase: 'reading' | 'indexing' | 'comparing' | 'swapping'
  readonly position: Position
  /** Where reading is to end, as far as is known now. */
  readonly end: Position
  readonly events: number
}

export interface RebuildReport {
  readonly events: number
  readonly seconds: number
  readonly position: Position
  /** Where it went on from a rebuild that was cut off. */
  readonly resumedFrom?: Position
  /** The old tables beside the new ones at the same position; absent where they are of another version. */
  readonly comparison?: Comparison
}

const RENEW_MS = 1000

/** Somebody else is rebuilding this read model. */
export class RebuildUnderWay extends Error {
  override readonly name = 'RebuildUnderWay'
}

/**
 * Builds a family's tables anew beside those in use, compares both at the same position where they are of the same version, lets the read
 * models' names stand for the new ones in one transaction, and drops the old. Works while others project and query. Cut off,
 * it goes on where it was when started again.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildReport> {
  const { connectionString, family, signal } = options
  const connections = await connect(connectionString, `rebuild ${family.name}`)
  const over = new AbortController()
  try {
    await createRegistry(connections.control)
    const lease = await takeLease(connections.control, `rebuild ${family.name}`, randomUUID())
    if (!lease) throw new RebuildUnderWay(`${family.name} is being rebuilt already`)
    const renewing = setInterval(
      () =>
        holdLease(connections.control, lease).catch(() => {
          over.abort()
          connections.lose()
        }),
      RENEW_MS,
    )
    try {
      return await new Rebuilding(
        {
          ...options,
          signal: AbortSignal.any([signal, connections.lost, over.signal]),
        },
        connections,
        lease,
      ).run()
    } finally {
      clearInterval(renewing)
      await releaseLease(connections.control, lease).catch(() => {})
    }
  } finally {
    await connections.close()
  }
}
