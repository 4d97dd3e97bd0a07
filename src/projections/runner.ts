import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { createReadSchema, type Generation, generations } from './checkpoint.ts'
import { type Connections, connect } from './connections.ts'
import { type Family, familiesOf, familyNamed } from './family.ts'
import { holdLease, type Lease, releaseLease, Superseded, takeLease } from './lease.ts'
import { type ProjectOptions, project, type Target } from './project.ts'
import type { AnyProjection } from './projection.ts'
import { rebuild } from './rebuild.ts'
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

export interface RunnerLogger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
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
  /** Whether it is this process that projects. */
  readonly active: boolean
}

const LEASE = 'projector'
const ASK_FOR_LEASE_MS = 500
const RENEW_MS = 1000
const POLL_MS = 20

/** Keeps read models current from the log. Of several nodes one projects at a time; another takes over when it is gone. */
export function createProjectionRunner(options: ProjectionRunnerOptions): ProjectionRunner {
  const { store, connectionString, logger, aliases = {}, projecting = true } = options
  const families = familiesOf(options.projections)
  const holder = randomUUID()
  const waiters = new Waiters()
  const stopped = new AbortController()
  const pool = new pg.Pool({
    connectionString,
    max: 2,
    application_name: 'gangway: read models',
    keepAlive: true,
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })
  pool.on('error', () => {})
  let active = false
  let hurry = () => {}
  let running: Promise<void> = Promise.resolve()
  let polling = false

  const resolve = (name: string): Family => {
    const family = familyNamed(families, aliases[name] ?? name)
    if (!family) throw new Error(`there is no read model ${name}`)
    return family
  }

  /** Takes the lease, projects, and starts over after whatever went wrong. */
  const run = async () => {
    for (let attempt = 0; !stopped.signal.aborted; ) {
      let connections: Connections | undefined
      try {
        connections = await connect(connectionString, 'project')
        await whileLeader(connections)
        attempt = 0
      } catch (error) {
        if (!(error instanceof Superseded) && !stopped.signal.aborted)
          logger.warn({ err: error }, 'Projecting was interrupted and goes on from the checkpoint')
        if (error instanceof Superseded) attempt = 0
      } finally {
        active = false
        hurry = () => {}
        await connections?.close()
      }
      await pause(Math.min(25 * 2 ** attempt++, 1000))
    }
  }

  const whileLeader = async (connections: Connections) => {
    const { control, lost } = connections
    while (!stopped.signal.aborted && !lost.aborted) {
      const live = await generations(control)
      const lease = newerBuildIsLive(live) ? undefined : await takeLease(control, LEASE, holder)
      if (!lease) {
        await pause(ASK_FOR_LEASE_MS)
        continue
      }
      active = true
      try {
        await lead(connections, lease)
      } finally {
        active = false
        await releaseLease(control, lease).catch(() => {})
      }
    }
  }

  /** Projects with the lease in hand until something changes: then it throws, and whoever called looks anew. */
  const lead = async (connections: Connections, lease: Lease) => {
    const { control, lost } = connections
    const over = new AbortController()
    let failure: unknown
    const renewing = setInterval(() => {
      renewed = renewed
        .then(() => holdLease(control, lease))
        .catch((error) => {
          failure = error
          over.abort()
          // A call on a connection that fell silent would never come back.
          connections.lose()
        })
    }, RENEW_MS)
    let renewed: Promise<unknown> = Promise.resolve()
    const signal = AbortSignal.any([stopped.signal, lost, over.signal])
    const builds: Promise<void>[] = []
    try {
      const { ready, stale } = standing(await generations(control))
      for (const { family, generation } of ready) waiters.reached(family.name, generation.position)
      for (const family of stale)
        builds.push(
          build(family, signal).then(
            () => over.abort(),
            (error) => {
              if (!signal.aborted) logger.warn({ err: error, readModel: family.name }, 'A rebuild failed')
            },
          ),
        )
      if (ready.length === 0) await untilAborted(signal)
      else
        await project(
          {
            ...options.tuning,
            store,
            writer: connections.writer,
            reader: connections.reader,
            lease,
            signal,
            onStored: ({ through }) => {
              for (const { family } of ready) waiters.reached(family.name, through)
              if (waiters.count > 0) hurry()
            },
            onParked: (family, event, error) =>
              logger.warn(
                {
                  readModel: family,
                  eventId: event.id,
                  eventType: event.type,
                  position: event.position,
                  error,
                },
                'An event could not be applied and its key is parked',
              ),
          },
          ready,
          (call) => {
            hurry = call
          },
        )
      if (failure) throw failure
    } finally {
      hurry = () => {}
      clearInterval(renewing)
      over.abort()
      await renewed
      await Promise.all(builds)
    }
  }

  const build = async (family: Family, signal: AbortSignal) => {
    logger.info({ readModel: family.name, version: family.version }, 'Building a read model')
    const report = await rebuild({ store, connectionString, family, signal })
    logger.info({ readModel: family.name, ...report }, 'A read model was built and swapped in')
  }

  /** Which families can be read on with this code, and which have to be built: another version, or new beside others. */
  const standing = (all: readonly Generation[]) => {
    const live = new Map(all.filter(({ status }) => status === 'live').map((one) => [one.family, one]))
    const begun = families.some(({ name }) => live.get(name)!.position !== '0')
    const ready: Target[] = []
    const stale: Family[] = []
    for (const family of families) {
      const generation = live.get(family.name)!
      if (generation.version !== family.version || (begun && generation.position === '0')) stale.push(family)
      else ready.push({ family, generation })
    }
    return { ready, stale }
  }

  /** A node of a newer build has been here: this one would not know how to go on. */
  const newerBuildIsLive = (all: readonly Generation[]) =>
    families.some(({ name, version }) =>
      all.some((one) => one.family === name && one.status === 'live' && one.version > version),
    )

  /** Asks the database how far others have come, as long as anybody waits and it is not us who project. */
  const poll = async () => {
    if (polling) return
    polling = true
    try {
      while (waiters.count > 0 && !stopped.signal.aborted) {
        const live = active ? [] : await liveGenerations().catch(() => [])
        if (!active) for (const { family, position } of live) waiters.reached(family, position)
        if (waiters.count > 0) await pause(POLL_MS)
      }
    } finally {
      polling = false
    }
  }

  const liveGenerations = async () => (await generations(pool)).filter(({ status }) => status === 'live')
  const pause = (ms: number) => delay(ms, undefined, { signal: stopped.signal }).catch(() => {})

  return {
    async start() {
      const client = await pool.connect()
      try {
        await createReadSchema(client, families)
      } finally {
        client.release()
      }
      if (projecting) running = run()
    },
    async stop() {
      stopped.abort()
      waiters.close()
      await running
      if (!pool.ended) await pool.end()
    },
    async waitFor(name, position, timeoutMs) {
      const family = resolve(name)
      const caught = waiters.wait(family.name, position, timeoutMs)
      if (waiters.count > 0) {
        hurry()
        // Also while it is us: the lease may be lost before the position is reached.
        void poll()
      }
      return caught
    },
    status: () => readStatus(pool, store, families),
    position: (name) => waiters.position(resolve(name).name),
    get active() {
      return active
    },
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
