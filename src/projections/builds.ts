import { setTimeout as delay } from 'node:timers/promises'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Family } from './family.ts'
import { RebuildUnderWay, rebuild } from './rebuild.ts'
import type { RunnerLogger } from './runnerLogger.ts'

const AGAIN_MS = 1000
const AGAIN_AFTER_FAILURE_MS = 10_000

/** The rebuilds that this node does beside projecting, of read models whose tables are of another version. */
export class Builds {
  readonly #store: EventStore
  readonly #connectionString: string
  readonly #logger: RunnerLogger
  readonly #running = new Map<string, { readonly ended: Promise<void>; readonly abort: AbortController }>()

  constructor(store: EventStore, connectionString: string, logger: RunnerLogger) {
    this.#store = store
    this.#connectionString = connectionString
    this.#logger = logger
  }

  get names(): string[] {
    return [...this.#running.keys()]
  }

  /** Begins those that are not under way, ends those that are not to be done here any more. */
  async only(families: readonly Family[]): Promise<void> {
    const wanted = new Set(families.map(({ name }) => name))
    const over = [...this.#running].filter(([name]) => !wanted.has(name))
    for (const [name, { abort }] of over) {
      abort.abort()
      this.#running.delete(name)
    }
    await Promise.all(over.map(([, { ended }]) => ended))
    for (const family of families)
      if (!this.#running.has(family.name)) {
        const abort = new AbortController()
        const ended = this.#build(family, abort.signal).then(() => {
          if (!abort.signal.aborted) this.#running.delete(family.name)
        })
        this.#running.set(family.name, { abort, ended })
      }
  }

  /** Until it is done, or was begun elsewhere and is no longer wanted. */
  async #build(family: Family, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#logger.info({ readModel: family.name, version: family.version }, 'Building a read model')
        const report = await rebuild({
          store: this.#store,
          connectionString: this.#connectionString,
          family,
          signal,
        })
        this.#logger.info({ readModel: family.name, ...report }, 'A read model was built and swapped in')
        return
      } catch (error) {
        if (signal.aborted) return
        const elsewhere = error instanceof RebuildUnderWay
        if (!elsewhere) this.#logger.warn({ err: error, readModel: family.name }, 'A rebuild failed')
        await delay(elsewhere ? AGAIN_MS : AGAIN_AFTER_FAILURE_MS, undefined, { signal }).catch(() => {})
      }
    }
  }
}
