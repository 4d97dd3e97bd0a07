import type pg from 'pg'
import { comparePositions, type Position } from '../domain/position.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Family } from './family.ts'

export interface ReadModelStatus {
  readonly name: string
  /** Of the partition furthest behind. */
  readonly position: Position
  /** Events of the log that it has not seen. In an engine whose positions have gaps, at most as many. */
  readonly lagEvents: number
  /** Seconds since the event after its position was recorded, 0 when it has seen everything. */
  readonly lagSeconds: number
  /** Keys that are parked. */
  readonly parked: number
}

/** How far the read models are behind the log, whichever process projects them. */
export async function readStatus(
  pool: pg.Pool,
  store: EventStore,
  families: readonly Family[],
): Promise<ReadModelStatus[]> {
  const [head, { rows }] = await Promise.all([
    store.head(),
    pool.query(
      `select c.family, min(c.position)::text as position,
              (select count(distinct key)::int from read.parked p
                where p.family = c.family and p.generation = c.generation) as parked
         from read.checkpoints c where c.status = 'live' group by c.family, c.generation`,
    ),
  ])
  const live = new Map(
    (rows as { family: string; position: Position; parked: number }[]).map((row) => [row.family, row]),
  )
  const waiting = new Map<Position, Promise<number>>()
  return Promise.all(
    families.map(async ({ name }) => {
      const { position, parked } = live.get(name) ?? { position: '0', parked: 0 }
      if (comparePositions(position, head) >= 0)
        return { name, position, lagEvents: 0, lagSeconds: 0, parked }
      if (!waiting.has(position)) waiting.set(position, secondsWaiting(store, position))
      return {
        name,
        position,
        lagEvents: Number(BigInt(head) - BigInt(position)),
        lagSeconds: await waiting.get(position)!,
        parked,
      }
    }),
  )
}

async function secondsWaiting(store: EventStore, position: Position): Promise<number> {
  for await (const [event] of store.readAll({ from: position, limit: 1 }))
    if (event) return Math.max(0, (Date.now() - Date.parse(event.recordedAt)) / 1000)
  return 0
}
