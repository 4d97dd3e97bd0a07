import { crc32 } from 'node:zlib'
import type pg from 'pg'
import { type Rebalancing, rebalance } from './assignment.ts'
import type { Family } from './family.ts'
import { holdLeases, type Lease, releaseLeases, takeLeases } from './lease.ts'
import { leaseNames } from './standing.ts'

/** A node renews its leases this often; they run out after three times as long. */
const RENEW_MS = 1000

/** The one lease on everything that builds took which know nothing of partitions. */
const UNDIVIDED = 'projector'
const NOBODY = '00000000-0000-0000-0000-000000000000'

interface Row {
  readonly name: string
  readonly alive: boolean
  readonly own: boolean
  readonly gone: boolean
}

/**
 * One node among those that share the partitions: says that it is there, sees who else is, and takes and gives back. Only nodes that keep
 * the same read models share; others hold what they hold until they are gone.
 */
export class Membership {
  readonly #client: pg.ClientBase
  readonly #node: string
  readonly #partitions: readonly string[]
  /** Begins the names of the leases that say which nodes are there. */
  readonly #nodes: string
  readonly #leases = new Map<string, Lease>()
  #alone = false
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(client: pg.ClientBase, families: readonly Family[], node: string) {
    this.#client = client
    this.#node = node
    this.#partitions = leaseNames(families)
    const kept = families.map(({ name, version, partitions }) => [name, version, partitions])
    this.#nodes = `node ${crc32(JSON.stringify(kept)).toString(16)} `
  }

  /** The leases on partitions that this node has. */
  get held(): ReadonlyMap<string, Lease> {
    const held = new Map(this.#leases)
    held.delete(this.#own)
    return held
  }

  /**
   * Gives back what is another's to take, takes what is free and ours. Answers false where a build of before there were partitions has the one lease on
   * everything: until that ends nothing is to be had.
   * @throws Superseded
   */
  async settle(kept: ReadonlySet<string>): Promise<boolean> {
    this.#alone ||= await this.#endUndivided()
    if (!this.#alone) return false
    if (!this.#leases.has(this.#own)) await this.#take([this.#own])
    await this.renew()
    const { give, take } = await this.look(kept)
    await this.#release(give)
    await this.#take(take)
    return true
  }

  /** Takes what is there to be taken. Answers whether another set of partitions is to be projected from now on. @throws Superseded */
  async check(kept: ReadonlySet<string>): Promise<boolean> {
    await this.renew()
    const { give, take } = await this.look(kept)
    return (await this.#take(take)) > 0 || give.length > 0
  }

  /** @throws Superseded */
  async renew(): Promise<void> {
    if (performance.now() - this.#renewedAt < RENEW_MS * 0.9) return
    this.#renewedAt = performance.now()
    await holdLeases(this.#client, [...this.#leases.values()])
  }

  async look(kept: ReadonlySet<string>): Promise<Rebalancing> {
    const { rows } = await this.#client.query<Row>({
      name: 'look at leases',
      text: `select name, expires_at > clock_timestamp() as alive, holder = $2 as own,
                    expires_at < clock_timestamp() - interval '1 minute' as gone
               from read.leases where name = any($1) or starts_with(name, 'node ')`,
      values: [this.#partitions, this.#node],
    })
    const nodes = rows.filter(({ name, alive }) => alive && name.startsWith(this.#nodes))
    // What is ours by name may be from before a connection was lost: then it is not held, and to be had at once.
    const taken = new Set(rows.filter(({ alive, own }) => alive && !own).map(({ name }) => name))
    if (rows.some(({ name, gone }) => gone && name.startsWith('node '))) await this.#forget()
    return rebalance({
      partitions: this.#partitions,
      nodes: nodes.map(({ name }) => name),
      node: this.#own,
      held: new Set(this.held.keys()),
      free: new Set(this.#partitions.filter((name) => !taken.has(name))),
      kept,
    })
  }

  /** Lets go of everything. */
  async leave(): Promise<void> {
    await this.#release([...this.#leases.keys()])
  }

  get #own(): string {
    return `${this.#nodes}${this.#node}`
  }

  async #take(names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0
    const taken = await takeLeases(this.#client, names, this.#node)
    for (const lease of taken) this.#leases.set(lease.name, lease)
    return taken.length
  }

  async #release(names: readonly string[]): Promise<void> {
    const leases = names.map((name) => this.#leases.get(name)!)
    for (const name of names) this.#leases.delete(name)
    await releaseLeases(this.#client, leases)
  }

  /** Takes the one lease for ever, as soon as nobody has it: who still asks for it must not fold beside us. */
  async #endUndivided(): Promise<boolean> {
    const { rowCount } = await this.#client.query(
      `insert into read.leases as l (name, holder, epoch, expires_at) values ($1, $2, 1, 'infinity')
       on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at, epoch = l.epoch + 1
         where l.expires_at < clock_timestamp() or l.holder = excluded.holder`,
      [UNDIVIDED, NOBODY],
    )
    return rowCount === 1
  }

  /** Nodes that have been gone for long. */
  async #forget(): Promise<void> {
    await this.#client.query(
      `delete from read.leases where starts_with(name, 'node ') and expires_at < clock_timestamp() - interval '1 minute'`,
    )
  }
}
