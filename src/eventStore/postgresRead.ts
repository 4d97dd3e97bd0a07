import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position, START } from '../domain/position.ts'
import { streamPrefix } from '../domain/stream.ts'
import { matcher } from './eventFilter.ts'
import type { EventFilter, ReadAllOptions, ReadOptions, StreamHead } from './eventStore.ts'
import { fewStreams, readStreams } from './postgresFew.ts'
import { COLUMNS, type NameRange, type PageOptions, type Query, RAW } from './postgresQuery.ts'
import { readStretches, type StretchSource } from './postgresStretch.ts'
import { toEvent } from './storedEvent.ts'

export type { PageOptions, Query } from './postgresQuery.ts'

export async function head(query: Query): Promise<Position> {
  const { rows } = await query({ name: 'head', text: 'select position from log.counter', ...RAW })
  return rows[0]![0]!
}

export async function heads(query: Query, streams: readonly string[]): Promise<Map<string, StreamHead>> {
  const { rows } = await query({
    name: 'heads',
    text: `select s.name, h.revision, encode(h.chain, 'hex') from log.streams s, lateral (
             select e.revision, e.chain from log.events e where e.stream = s.id order by e.revision desc limit 1) h
           where s.name = any($1)`,
    values: [streams],
    ...RAW,
  })
  return new Map(
    rows.map(([name, revision, chain]) => [name!, { revision: Number(revision), chain: chain! }]),
  )
}

const PAGE = 500

export async function* readStream(
  query: Query,
  stream: string,
  { from, direction = 'forwards', limit = Number.POSITIVE_INFINITY }: ReadOptions = {},
): AsyncGenerator<StoredEvent> {
  const [compare, order] = direction === 'forwards' ? ['>=', 'asc'] : ['<=', 'desc']
  let next = Math.min(from ?? (direction === 'forwards' ? 0 : MAX_REVISION), MAX_REVISION)
  for (let left = limit; left > 0; ) {
    const page = Math.min(left, PAGE)
    const { rows } = await query({
      name: `read ${direction}`,
      text: `select ${COLUMNS} where s.name = $1 and e.revision ${compare} $2 order by e.revision ${order} limit $3`,
      values: [stream, next, page],
      ...RAW,
    })
    for (const row of rows) yield toEvent(row)
    if (rows.length < page) return
    left -= rows.length
    const last = Number(rows.at(-1)![1])
    next = direction === 'forwards' ? last + 1 : last - 1
  }
}

export async function* readLog(
  source: StretchSource,
  { from = START, limit = Number.POSITIVE_INFINITY, pageSize = PAGE, ...filter }: ReadAllOptions = {},
): AsyncGenerator<StoredEvent[]> {
  const { query } = source
  const end = await head(query)
  if (limit === Number.POSITIVE_INFINITY && (await isBroad(query, filter))) {
    for await (const { events } of readStretches(source, { ...filter, from, to: end, pageSize }))
      if (events.length > 0) yield events
    return
  }
  let after = from
  let left = limit
  const ask = () => readPage(query, { ...filter, from: after, to: end, limit: Math.min(left, pageSize) })
  let page = left > 0 && comparePositions(after, end) < 0 ? ask() : undefined
  while (page) {
    const { events, through } = await page
    left -= events.length
    after = through
    const more = left > 0 && comparePositions(after, end) < 0
    // The next page is on its way while the caller works on this one.
    page = more ? ask() : undefined
    page?.catch(() => {})
    if (events.length > 0) yield events
  }
}

/**
 * The next matching events, and up to where the log was searched for them. Where only few streams can hold them, those are read; else a
 * filter that leaves little is searched for in ever longer stretches, and no further than `SEARCHED` positions a page, so that it is
 * answered in time too.
 */
export async function readPage(
  query: Query,
  options: PageOptions,
): Promise<{ events: StoredEvent[]; through: Position }> {
  const { from, to, limit, types, categories, tenant } = options
  if (types === undefined && categories === undefined && tenant === undefined)
    return readStretch(query, options, {})
  const names = await nameRanges(query, options)
  if (names?.length === 0) return { events: [], through: earlier(to, String(Number(from) + SEARCHED)) }
  const ranges = names ?? categories?.map(categoryRange)
  const streams = ranges && (await fewStreams(query, ranges))
  if (streams) return readStreams(query, options, streams)
  let through = from
  for (let stretch = Math.max(2000, limit * 4); ; stretch = Math.min(stretch * 4, SEARCHED)) {
    const end = earlier(to, String(Number(through) + stretch))
    const page = await readStretch(
      query,
      { ...options, from: through, to: end },
      { types, categories, names },
    )
    through = page.through
    const searched = Number(through) - Number(from)
    if (page.events.length > 0 || comparePositions(through, to) >= 0 || searched >= SEARCHED)
      return { events: page.events, through }
  }
}

/** Whether a filter leaves so much that the log is best read as it stands. */
export async function isBroad(query: Query, { types, categories, tenant }: EventFilter): Promise<boolean> {
  if (types !== undefined || tenant !== undefined) return false
  return categories === undefined || (await fewStreams(query, categories.map(categoryRange))) === undefined
}

interface Where {
  readonly types?: readonly string[] | undefined
  readonly categories?: readonly string[] | undefined
  /** Stream names from (inclusive) and to (exclusive). */
  readonly names?: readonly NameRange[] | undefined
}

async function readStretch(
  query: Query,
  { from, to, limit }: Pick<PageOptions, 'from' | 'to' | 'limit'>,
  { types, categories, names }: Where,
): Promise<{ events: StoredEvent[]; through: Position }> {
  const values: unknown[] = [from, to, limit]
  const parameter = (value: unknown) => `$${values.push(value)}`
  let where = ''
  if (types) where += ` and e.type = any(${parameter(types)})`
  if (names) {
    const ranges = names.map(([low, high]) => `s.name >= ${parameter(low)} and s.name < ${parameter(high)}`)
    where += ` and (${ranges.join(' or ')})`
  } else if (categories) where += ` and split_part(s.name, '-', 1) = any(${parameter(categories)})`
  const { rows } = await query({
    name: where === '' ? 'page' : `page${values.length}${types ? 't' : ''}${names ? 'n' : 'c'}`,
    // `offset 0` keeps the planner from beginning with the streams: without statistics it would read all events of a tenant a page.
    text: `select ${COLUMNS.replace(
      'log.events e',
      '(select * from log.events where position > $1 and position <= $2 order by position offset 0) e',
    )} where true${where} order by e.position limit $3`,
    values,
    ...RAW,
  })
  const through = rows.length < limit ? to : rows.at(-1)![2]!
  const events = rows.map(toEvent)
  // In SQL a name without a tenant passes for one of its category.
  return { events: categories ? events.filter(matcher({ categories })) : events, through }
}

/** A tenant's streams by their names: a backquote is what comes after the underscore. Undefined without a tenant. */
async function nameRanges(
  query: Query,
  { tenant, categories }: EventFilter,
): Promise<NameRange[] | undefined> {
  if (tenant === undefined) return undefined
  return (categories ?? (await allCategories(query))).map((category) => {
    const prefix = streamPrefix(category, tenant)
    return [prefix, `${prefix.slice(0, -1)}\``] as const
  })
}

/** How many positions are searched for a page at most. */
const SEARCHED = 250_000

/** Every name of a category, and few others: `.` is what comes after the hyphen. */
function categoryRange(category: string): NameRange {
  return [`${category}-`, `${category}.`]
}

function earlier(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? a : b
}

/** What is before the first `-` of any stream's name, skipping through the index from one to the next. */
async function allCategories(query: Query): Promise<string[]> {
  const { rows } = await query({
    name: 'categories',
    text: `with recursive c(name) as (
             (select name from log.streams order by name limit 1)
             union all
             select (select s.name from log.streams s
                      where s.name >= split_part(c.name, '-', 1) || '.' order by s.name limit 1)
               from c where c.name is not null
           )
           select distinct split_part(name, '-', 1) from c where name is not null`,
    ...RAW,
  })
  return rows.map(([category]) => category!)
}

/** The largest integer. */
const MAX_REVISION = 2_147_483_647
