import type pg from 'pg'
import type { RecordedEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Lease } from './lease.ts'
import { Projecting } from './projecting.ts'
import { RefusedData } from './storeChanges.ts'
import type { Target } from './working.ts'

export interface ProjectOptions {
  readonly store: EventStore
  /** Two connections prepared by `prepareClient`: one for transactions, one to look rows up meanwhile. */
  readonly writer: pg.ClientBase
  readonly reader: pg.ClientBase
  /** What gives the right to write the targets, all of one holder. */
  readonly leases: readonly Lease[]
  readonly signal: AbortSignal
  /** Read no further than this, inclusive, and answer when everything up to there is stored. */
  readonly until?: Position
  /** Read only events of these types. */
  readonly types?: readonly string[]
  /** Read only streams of these categories. */
  readonly categories?: readonly string[]
  /** Rows of each projection kept in memory. */
  readonly cacheRows?: number
  /** Events from the log at a time. */
  readonly pageSize?: number
  /** Changed rows that are written in one transaction while there is much to catch up on. */
  readonly bulkRows?: number
  /** Milliseconds from one transaction's start to the next while live, unless somebody waits. */
  readonly linger?: number
  readonly onStored?: (stored: Stored) => void
  readonly onParked?: (family: string, event: RecordedEvent, error: string) => void
}

export interface Stored {
  readonly through: Position
  readonly recordedAt: string | null
  /** Events since the last time. */
  readonly events: number
  /** Whether the end of the log was reached. */
  readonly live: boolean
}

/**
 * Reads the log once for all targets, folds, and stores rows and checkpoints, until `until` or the signal. What a fold throws on is
 * parked; what the database refuses is sought by halves, from the checkpoint on, until the one event is found and parked.
 * Answers the targets as they stand then; partitions of one family that stood at different positions are targets of their own.
 *
 * @throws Superseded when somebody else writes these tables; other errors are the database's or the log's
 */
export async function project(
  options: ProjectOptions,
  targets: readonly Target[],
  wire: (hurry: () => void) => void = () => {},
): Promise<Target[]> {
  let at = targets
  let limit = Number.POSITIVE_INFINITY
  const park = new Map<string, string>()
  for (;;) {
    const projecting = new Projecting(options, at, limit, park)
    wire(() => projecting.hurry())
    try {
      return await projecting.run()
    } catch (error) {
      if (!(error instanceof RefusedData)) throw error
      if (error.events <= 1) park.set(`${error.family}@${error.first}`, error.message)
      limit = Math.max(1, Math.floor(error.events / 2))
      at = projecting.targets
    }
  }
}
