import { setTimeout as delay } from 'node:timers/promises'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { createPool } from '../postgresPool.ts'
import { generations } from './checkpoint.ts'
import { type Family, familiesOf, familyNamed } from './family.ts'
import type { ProjectOptions } from './project.ts'
import type { AnyProjection } from './projection.ts'
import { type Projector, startProjector } from './projector.ts'
import { createReadSchema } from './readSchema.ts'
import type { RunnerLogger } from './runnerLogger.ts'
import { type ReadModelStatus, readStatus } from './status.ts'
import { type Caught, Waiters } from './waiters.ts'

export interface ProjectionRunnerOptions {
  readonly store: EventStore
  /** Of the database that holds the read models. */
  readonly connectionString: string
  readonly projections: readonly AnyProjection[]
  /** Other names that may be waited for: `statistics` → `sessions`. */
  readonly aliases?: Readonly<Record<string, string>>
  /** False for a node that answers queries only: it waits for what others project. */
  readonly projecting?: boolean
  readonly logger: RunnerLogger
  readonly tuning?: Pick<ProjectOptions, 'cacheRows' | 'pageSize' | 'bulkRows' | 'linger'>
}

export interface ProjectionRunner {
  /** Makes what is missing in the database, then projects in the background until stopped. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Waits until a read model holds everything up to a position. */
  waitFor(name: string, position: Position, timeoutMs: number): Promise<Caught>
  status(): Promise<ReadModelStatus[]>
  /** How far a read model is, as this process knows. */
  position(name: string): Position
  /** Whether this process projects anything. */
  readonly active: boolean
  /** Whether it is this process alone that projects a read model: then it knows at once how far that is. */
  projectsAll(name: string): boolean
}

const POLL_MS = 20

/** Keeps read models current from the log. Several nodes share the work; what one held another takes over when it is gone. */
export function createProjectionRunner(options: ProjectionRunnerOptions): ProjectionRunner {
  const { store, connectionString, logger, tuning, aliases = {}, projecting = true } = options
  const families = familiesOf(options.projections)
  const waiters = new Waiters()
  const stopped = new AbortController()
  const pool = createPool({
    connectionString,
    max: 2,
    application_name: 'gangway: read models',
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })
  let projector: Projector | undefined
  let polling = false

  const resolve = (name: string): Family => {
    const family = familyNamed(families, aliases[name] ?? name)
    if (!family) throw new Error(`there is no read model ${name}`)
    return family
  }

  /** Asks the database how far others have come, as long as anybody waits for what is not projected here alone. */
  const poll = async () => {
    if (polling) return
    polling = true
    try {
      while (waiters.count > 0 && !stopped.signal.aborted) {
        const isElsewhere = (family: string) => !projector?.whole.has(family)
        if (waiters.families.some(isElsewhere)) {
          const all = await generations(pool).catch(() => [])
          for (const { family, status, position } of all)
            if (status === 'live' && isElsewhere(family)) waiters.reached(family, position)
        }
        if (waiters.count > 0) await delay(POLL_MS, undefined, { signal: stopped.signal }).catch(() => {})
      }
    } finally {
      polling = false
    }
  }

  return {
    async start() {
      const client = await pool.connect()
      try {
        await createReadSchema(client, families)
      } finally {
        client.release()
      }
      if (projecting)
        projector = startProjector({
          store,
          connectionString,
          families,
          logger,
          signal: stopped.signal,
          ...(tuning && { tuning }),
          reached: (family, position) => waiters.reached(family, position),
          isAwaited: () => waiters.count > 0,
        })
    },
    async stop() {
      stopped.abort()
      waiters.close()
      await projector?.ended
      if (!pool.ended) await pool.end()
    },
    async waitFor(name, position, timeoutMs) {
      const family = resolve(name)
      const caught = waiters.wait(family.name, position, timeoutMs)
      if (waiters.count > 0) {
        projector?.hurry()
        // Also while it is us: what is held may be lost before the position is reached.
        void poll()
      }
      return caught
    },
    status: () => readStatus(pool, store, families),
    position: (name) => waiters.position(resolve(name).name),
    get active() {
      return projector?.active ?? false
    },
    projectsAll: (name) => projector?.whole.has(resolve(name).name) ?? false,
  }
}
