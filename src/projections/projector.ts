import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { Builds } from './builds.ts'
import { generations, standingTogether } from './checkpoint.ts'
import { type Connections, connect } from './connections.ts'
import type { Family } from './family.ts'
import { Superseded } from './lease.ts'
import { Membership } from './membership.ts'
import { type ProjectOptions, project } from './project.ts'
import type { RunnerLogger } from './runnerLogger.ts'
import { leaseName, newerBuildIsLive, standingOf } from './standing.ts'

export interface ProjectorOptions {
  readonly store: EventStore
  readonly connectionString: string
  readonly families: readonly Family[]
  readonly logger: RunnerLogger
  readonly signal: AbortSignal
  readonly tuning?: Pick<ProjectOptions, 'cacheRows' | 'pageSize' | 'bulkRows' | 'linger'>
  /** A family all of whose partitions are projected here is this far. */
  readonly reached: (family: string, position: Position) => void
  /** Whether anybody waits for a read model to go on. */
  readonly isAwaited: () => boolean
}

/** What this node projects, in the background until the signal. */
export interface Projector {
  readonly ended: Promise<void>
  /** Whether this node projects anything. */
  readonly active: boolean
  /** The families of which this node projects every partition. */
  readonly whole: ReadonlySet<string>
  /** Somebody waits for what is not stored yet. */
  hurry(): void
}

/** How often a node looks who else is there, and what is free. */
const LOOK_MS = 500

/** Shares the partitions of all families with whatever nodes there are, projects those it has, and starts over after whatever went wrong. */
export function startProjector(options: ProjectorOptions): Projector {
  const { store, connectionString, families, logger, reached, isAwaited } = options
  const node = randomUUID()
  let active = false
  let whole: ReadonlySet<string> = new Set()
  let hurry = () => {}

  const run = async () => {
    for (let attempt = 0; !options.signal.aborted; ) {
      let connections: Connections | undefined
      try {
        connections = await connect(connectionString, 'project')
        await whileConnected(connections)
        attempt = 0
      } catch (error) {
        if (!(error instanceof Superseded) && !options.signal.aborted)
          logger.warn({ err: error }, 'Projecting was interrupted and goes on from the checkpoint')
        if (error instanceof Superseded) attempt = 0
      } finally {
        await connections?.close()
      }
      await pause(Math.min(25 * 2 ** attempt++, 1000))
    }
  }

  const whileConnected = async (connections: Connections) => {
    const { control, lost } = connections
    const membership = new Membership(control, families, node)
    const builds = new Builds(store, connectionString, logger)
    try {
      while (!options.signal.aborted && !lost.aborted) {
        if (newerBuildIsLive(families, await generations(control))) {
          await builds.only([])
          await membership.leave()
        } else if ((await membership.settle(keptFor(builds))) && membership.held.size > 0) {
          await lead(connections, membership, builds)
          continue
        }
        await pause(LOOK_MS)
      }
    } finally {
      await builds.only([])
      await membership.leave().catch(() => {})
    }
  }

  /** Projects the partitions in hand until they are to be others or something else changes; whoever called looks anew. */
  const lead = async (connections: Connections, membership: Membership, builds: Builds) => {
    const { control, writer, reader, lost } = connections
    const over = new AbortController()
    const signal = AbortSignal.any([options.signal, lost, over.signal])
    const { held } = membership
    const { ready, stale } = standingOf(families, await generations(control))
    await builds.only(stale.filter((family) => held.has(leaseName(family, 0))))
    const targets = ready.flatMap(({ family, generation }) =>
      standingTogether(generation, ({ partition }) => held.has(leaseName(family, partition))).map((part) => ({
        family,
        generation: part,
      })),
    )
    const own = ready.filter(({ family, generation }) =>
      generation.partitions.every(({ partition }) => held.has(leaseName(family, partition))),
    )
    for (const { family, generation } of own) reached(family.name, generation.position)
    whole = new Set(own.map(({ family }) => family.name))
    active = true

    let failure: unknown
    const watch = async () => {
      for (;;) {
        await delay(LOOK_MS, undefined, { signal })
        const others = await membership.check(keptFor(builds))
        const built =
          stale.length > 0 && standingOf(families, await generations(control)).ready.length !== ready.length
        if (others || built) over.abort()
      }
    }
    const watching = watch().catch((error) => {
      if (signal.aborted) return
      failure = error
      over.abort()
      // A call on a connection that fell silent would never come back.
      connections.lose()
    })
    try {
      if (targets.length === 0) await untilAborted(signal)
      else
        await project(
          {
            ...options.tuning,
            store,
            writer,
            reader,
            leases: [...held.values()],
            signal,
            onStored: ({ through }) => {
              for (const name of whole) reached(name, through)
              if (isAwaited()) hurry()
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
          targets,
          (call) => {
            hurry = call
          },
        )
      if (failure) throw failure
    } finally {
      active = false
      whole = new Set()
      hurry = () => {}
      over.abort()
      await watching
    }
  }

  /** A rebuild goes on where it is, whoever should have its partition. */
  const keptFor = (builds: Builds) =>
    new Set(families.filter(({ name }) => builds.names.includes(name)).map((family) => leaseName(family, 0)))
  const pause = (ms: number) => delay(ms, undefined, { signal: options.signal }).catch(() => {})

  return {
    ended: run(),
    get active() {
      return active
    },
    get whole() {
      return whole
    },
    hurry: () => hurry(),
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
