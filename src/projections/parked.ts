import type pg from 'pg'
import type { RecordedEvent } from '../domain/envelope.ts'
import { comparePositions } from '../domain/position.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { type Generation, generations } from './checkpoint.ts'
import type { Family } from './family.ts'
import { loadMember } from './memberRows.ts'
import { type ParkedRecord, recordParked } from './parkedEvents.ts'
import { partitionOf } from './partition.ts'
import { runWrite } from './rowStore.ts'
import { liveOf } from './swap.ts'
import { Workspace } from './workspace.ts'
import { WritePlanner } from './writes.ts'

/** A key whose events wait. */
export interface ParkedKey {
  readonly family: string
  readonly key: string
  /** Events in its queue, the one that parked it included. */
  readonly events: number
  readonly first: ParkedRecord
}

/** The parked keys of the read models in use, those that wait for the earliest event first. */
export async function listParked(client: pg.ClientBase | pg.Pool): Promise<ParkedKey[]> {
  const { rows } = await client.query(
    `select distinct on (p.family, p.key) p.family, p.generation, p.key, p.position::text, p.event_id as "eventId",
            p.type, p.stream, p.revision, p.error, p.parked_at as "parkedAt",
            count(*) over (partition by p.family, p.key)::int as events
       from read.parked p join read.checkpoints c using (family, generation)
      where c.status = 'live' and c.partition = 0 order by p.family, p.key, p.position`,
  )
  return rows
    .map(({ events, parkedAt, ...record }) => ({
      family: record.family as string,
      key: record.key as string,
      events: events as number,
      first: { ...record, parkedAt: parkedAt.toISOString() } as ParkedRecord,
    }))
    .sort((a, b) => comparePositions(a.first.position, b.first.position))
}

export interface Retried {
  readonly applied: number
  /** Events that wait on, and why the first of them does. */
  readonly left: number
  readonly error?: string
}

/**
 * Applies the waiting events of a key in their order and in one transaction, as far as they can be. Whoever projects waits meanwhile
 * and then looks anew. `client` is prepared by `prepareClient`. Undefined when nothing of that key is parked.
 */
export async function retryParked(
  store: EventStore,
  client: pg.ClientBase,
  family: Family,
  key: string,
): Promise<Retried | undefined> {
  return onParked(client, family, key, async (generation, partition, waiting) => {
    if (generation.version !== family.version)
      throw new Error(`${family.name} is of another version than this program and must be rebuilt first`)
    const workspace = new Workspace({
      family,
      load: (member, keys) => loadMember(client, family, generation.generation, partition, member, keys),
      parkedKeys: [],
      cacheRows: 10_000,
      empty: false,
    })
    for (const { stream, revision } of waiting) await applyOne(store, workspace, key, stream, revision)
    const changes = workspace.take()
    for (const write of new WritePlanner(family, generation.generation, partition).plan(changes))
      await runWrite(client, write)
    await recordParked(client, generation, changes.parked)
    const [stuck] = changes.parked
    return {
      applied: waiting.length - changes.parked.length,
      left: changes.parked.length,
      ...(stuck?.error && { error: stuck.error }),
    }
  })
}

/**
 * Forgets the waiting events of a key: the read model goes on without what they would have changed. The log keeps them, and a rebuild
 * tries them again. Answers how many they were; undefined when nothing of that key is parked.
 */
export async function dropParked(
  client: pg.ClientBase,
  family: Family,
  key: string,
): Promise<number | undefined> {
  return onParked(client, family, key, async (_generation, _partition, waiting) => waiting.length)
}

async function applyOne(
  store: EventStore,
  workspace: Workspace,
  key: string,
  stream: string,
  revision: number,
): Promise<void> {
  for await (const stored of store.read(stream, { from: revision, limit: 1 })) {
    let event: RecordedEvent
    try {
      event = decode(stored)
    } catch (error) {
      workspace.park(stored, key, (error as Error).message)
      return
    }
    await workspace.apply([event])
  }
}

/** One transaction in which the key's queue is emptied and its partition's checkpoint says that something changed. */
async function onParked<T>(
  client: pg.ClientBase,
  family: Family,
  key: string,
  work: (generation: Generation, partition: number, waiting: readonly Waiting[]) => Promise<T>,
): Promise<T | undefined> {
  await client.query("begin; set local idle_in_transaction_session_timeout = '30s'")
  try {
    const partition = await partitionHolding(client, family, key)
    if (partition === undefined) {
      await client.query('rollback')
      return undefined
    }
    await client.query(
      `update read.checkpoints set changes = changes + 1 where family = $1 and status = 'live' and partition = $2`,
      [family.name, partition],
    )
    const generation = liveOf(await generations(client), family)!
    const { rows } = await client.query(
      `with gone as (
         delete from read.parked where family = $1 and generation = $2 and key = $3
         returning stream, revision, position
       ) select stream, revision from gone order by position`,
      [family.name, generation.generation, key],
    )
    const result = rows.length > 0 ? await work(generation, partition, rows) : undefined
    await client.query(rows.length > 0 ? 'commit' : 'rollback')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

interface Waiting {
  readonly stream: string
  readonly revision: number
}

/** All events of a key are of one partition; undefined when nothing of that key is parked. */
async function partitionHolding(
  client: pg.ClientBase,
  family: Family,
  key: string,
): Promise<number | undefined> {
  const live = liveOf(await generations(client), family)
  const { rows } = await client.query(
    'select stream from read.parked where family = $1 and generation = $2 and key = $3 limit 1',
    [family.name, live?.generation, key],
  )
  return rows[0] && partitionOf(rows[0].stream, live!.partitions.length)
}
