import type { StoredEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { matcher } from './eventFilter.ts'
import { COLUMNS, type NameRange, type PageOptions, type Query, RAW } from './postgresQuery.ts'
import { toEvent } from './storedEvent.ts'

/** Streams, and events in them, that are few enough to be read whole for a page. */
const FEW_STREAMS = 1000
const FEW_EVENTS = 20_000
/** Ranges of names that have more than that: they never have fewer again. */
const large = new WeakMap<Query, Set<string>>()

/** The ids of the streams in these ranges of names; undefined where they are many. */
export async function fewStreams(query: Query, ranges: readonly NameRange[]): Promise<string[] | undefined> {
  const known = large.get(query) ?? new Set()
  large.set(query, known)
  const key = ranges.map(([low]) => low).join(' ')
  if (known.has(key)) return undefined
  const parts = ranges.map(
    (_, i) =>
      `(select id from log.streams where name >= $${i * 2 + 1} and name < $${i * 2 + 2} order by name limit ${FEW_STREAMS + 1})`,
  )
  const { rows } = await query({
    name: `few ${ranges.length}`,
    text: `select s.id, (select e.revision from log.events e where e.stream = s.id order by e.revision desc limit 1)
             from (select u.id from (${parts.join(' union all ')}) u limit ${FEW_STREAMS + 1}) s`,
    values: ranges.flat(),
    ...RAW,
  })
  const events = rows.reduce((sum, [, revision]) => sum + Number(revision ?? -1) + 1, 0)
  if (rows.length <= FEW_STREAMS && events <= FEW_EVENTS) return rows.map(([id]) => id!)
  known.add(key)
  return undefined
}

/** A page of events out of these streams. */
export async function readStreams(
  query: Query,
  { from, to, limit, types, categories }: PageOptions,
  streams: readonly string[],
): Promise<{ events: StoredEvent[]; through: Position }> {
  const { rows } = await query({
    name: 'page of few',
    // `offset 0` keeps the planner from looking for the streams along the positions.
    text: `select ${COLUMNS.replace(
      'log.events e',
      'unnest($4::bigint[]) i(id), lateral (select * from log.events where stream = i.id order by revision offset 0) e',
    )} where e.position > $1 and e.position <= $2 and ($5::text[] is null or e.type = any($5))
       order by e.position limit $3`,
    values: [from, to, limit, streams, types ?? null],
    ...RAW,
  })
  const events = rows.map(toEvent)
  return {
    events: categories ? events.filter(matcher({ categories })) : events,
    through: rows.length < limit ? to : rows.at(-1)![2]!,
  }
}
