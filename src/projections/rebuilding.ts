import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { type Position, START } from '../domain/position.ts'
import { type Generation, generations } from './checkpoint.ts'
import { type Comparison, compareGenerations } from './compare.ts'
import { type Connections, connect } from './connections.ts'
import { tableName } from './family.ts'
import { createGeneration, createSecondIndexes } from './generationTables.ts'
import { holdLease, type Lease } from './lease.ts'
import { type Ends, endsOf, isBefore, readTo } from './readTo.ts'
import type { RebuildOptions, RebuildProgress, RebuildReport } from './rebuild.ts'
import { qualified } from './sql.ts'
import { isOf } from './standing.ts'
import { dropOldGenerations, haltLive, liveOf, swapIn } from './swap.ts'

/** The live tables stand still while the last events are read: they must be few. */
const FEW = 2000
const PATIENCE_MS = 30_000

/** The phases of one rebuild, whose right to write is the lease. */
export class Rebuilding {
  readonly #options: RebuildOptions
  readonly #connections: Connections
  readonly #lease: Lease
  readonly #started = performance.now()
  #generation!: Generation
  #events = 0

  constructor(options: RebuildOptions, connections: Connections, lease: Lease) {
    this.#options = options
    this.#connections = connections
    this.#lease = lease
  }

  async run(): Promise<RebuildReport> {
    const { family } = this.#options
    const resumedFrom = await this.#begin()
    const live = await this.#live()
    // Tables of another version, or empty because the read model is new, are nothing to compare with.
    const comparable = isOf(live, family) && live.position !== START
    const end = async () => {
      const position = comparable ? (await this.#live()).position : await this.#options.store.head()
      return () => position
    }
    await this.#readTo(await end())
    this.#tell('indexing', this.#generation.position)
    await createSecondIndexes(this.#connections.writer, this.#options.family, this.#generation.generation)
    await this.#connections.writer.query(
      this.#options.family.models
        .map((model) => `analyze ${qualified(tableName(model, this.#generation.generation))}`)
        .join(';'),
    )
    await this.#readTo(await end())
    const comparison = comparable ? await this.#compare() : undefined
    await this.#swap()
    await dropOldGenerations(this.#connections.writer, this.#options.family)
    return {
      events: this.#events,
      seconds: (performance.now() - this.#started) / 1000,
      position: this.#generation.position,
      ...(resumedFrom !== START && { resumedFrom }),
      ...(comparison && { comparison }),
    }
  }

  /** Goes on with what was begun in this version, else begins. */
  async #begin(): Promise<Position> {
    const { writer } = this.#connections
    const { family } = this.#options
    const building = (await generations(writer)).filter(
      (one) => one.family === family.name && one.status === 'building',
    )
    await writer.query('begin')
    const resumed = building.find((one) => isOf(one, family))
    for (const one of building)
      if (one !== resumed)
        await writer.query('delete from read.checkpoints where family = $1 and generation = $2', [
          family.name,
          one.generation,
        ])
    this.#generation = resumed ?? (await createGeneration(writer, family, 'building'))
    await writer.query('commit')
    return this.#generation.position
  }

  async #readTo(ends: Ends): Promise<void> {
    this.#generation = await readTo(
      {
        ...this.#options,
        ...this.#connections,
        lease: this.#lease,
        onRead: (generation, end, events) => {
          this.#generation = generation
          this.#events += events
          this.#tell('reading', end)
        },
      },
      this.#generation,
      ends,
    )
    this.#options.signal.throwIfAborted()
  }

  /**
   * A snapshot holds the live tables still for the comparison, while whoever projects goes on. The new tables are read up to where they are in
   * the snapshot and no further, each partition to its own end.
   */
  async #compare(): Promise<Comparison | undefined> {
    const { control, writer } = this.#connections
    const { family, signal } = this.#options
    const snapshots = await connect(this.#options.connectionString, 'compare')
    try {
      for (const patience = Date.now() + PATIENCE_MS; ; await delay(100, undefined, { signal })) {
        await snapshots.writer.query('begin isolation level repeatable read read only')
        await snapshots.writer.query("set local idle_in_transaction_session_timeout = '10min'")
        const live = await this.#live(snapshots.writer)
        const ends = endsOf(live, family)
        if (!this.#generation.partitions.some((one) => isBefore(ends(one.partition), one.position))) {
          await this.#readTo(ends)
          this.#tell('comparing', live.position)
          return await compareGenerations(family, snapshots.writer, live, writer, this.#generation)
        }
        // The rebuild is ahead: nobody projects, or slowly.
        await snapshots.writer.query('rollback')
        if (Date.now() > patience) return undefined
        await holdLease(control, this.#lease)
      }
    } finally {
      await snapshots.close()
    }
  }

  /** Whoever projects waits at the live checkpoint while the last few events are read; then the names change, all at once. */
  async #swap(): Promise<void> {
    const { control } = this.#connections
    const { family, signal } = this.#options
    const swapping = await connect(this.#options.connectionString, 'swap')
    try {
      for (;;) {
        const live = await this.#live()
        await this.#readTo(endsOf(live, family))
        const ends = endsOf(await this.#live(), family)
        const missing = this.#generation.partitions.map(
          ({ partition, position }) => BigInt(ends(partition)) - BigInt(position),
        )
        if (missing.some((events) => events > BigInt(FEW))) continue
        this.#tell('swapping', this.#generation.position)
        try {
          await this.#swapIn(swapping.writer)
          return
        } catch (error) {
          // A long query holds a view: let others by, then try again.
          if ((error as { code?: string }).code !== '55P03') throw error
          await swapping.writer.query('rollback')
          await delay(500, undefined, { signal })
          await holdLease(control, this.#lease)
        }
      }
    } finally {
      await swapping.close()
    }
  }

  async #swapIn(client: pg.ClientBase): Promise<void> {
    const { family } = this.#options
    await this.#readTo(endsOf(await haltLive(client, family), family))
    await swapIn(client, family, this.#generation.generation)
  }

  async #live(client: pg.ClientBase = this.#connections.control): Promise<Generation> {
    const found = liveOf(await generations(client), this.#options.family)
    if (!found) throw new Error(`${this.#options.family.name} has no tables yet: the service has never run`)
    return found
  }

  #tell(phase: RebuildProgress['phase'], end: Position): void {
    this.#options.onProgress?.({ phase, position: this.#generation.position, end, events: this.#events })
  }
}
