import type pg from 'pg'
import type { Position } from '../domain/position.ts'
import type { Generation } from './checkpoint.ts'
import type { ParkedEvent } from './fold.ts'

/** An event in the queue of a parked key; the first one of a key has the error that parked it. */
export interface ParkedRecord {
  readonly family: string
  readonly generation: number
  readonly position: Position
  /** The root's key as JSON: `["glavito","0190…"]`; the stream's name alone where there was no key to be had. */
  readonly key: string
  readonly eventId: string
  readonly type: string
  readonly stream: string
  readonly revision: number
  readonly error: string | null
  readonly parkedAt: string
}

/** Part of the transaction that moves the checkpoint past these events. */
export async function recordParked(
  client: pg.ClientBase,
  { family, generation }: Generation,
  parked: readonly ParkedEvent[],
): Promise<void> {
  if (parked.length === 0) return
  await client.query(
    `insert into read.parked (family, generation, position, key, event_id, type, stream, revision, error)
     select $1, $2, * from unnest($3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::int[], $9::text[])`,
    [
      family,
      generation,
      parked.map(({ event }) => event.position),
      parked.map(({ key }) => plain(key)),
      parked.map(({ event }) => event.id),
      parked.map(({ event }) => event.type),
      parked.map(({ event }) => plain(event.stream)),
      parked.map(({ event }) => event.revision),
      parked.map(({ error }) => (error === null ? null : plain(error.slice(0, 2000)))),
    ],
  )
}

/** The keys that are parked in a generation. */
export async function parkedKeys(
  client: pg.ClientBase,
  { family, generation }: Pick<Generation, 'family' | 'generation'>,
): Promise<string[]> {
  const { rows } = await client.query(
    'select distinct key from read.parked where family = $1 and generation = $2',
    [family, generation],
  )
  return rows.map(({ key }) => key)
}

/** What Postgres cannot keep in a text. */
function plain(text: string): string {
  return text.replaceAll('\u0000', '\u2400')
}
