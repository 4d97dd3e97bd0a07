import type { StoredEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { COPIED, CopiedEvents } from './copiedEvents.ts'
import { type CopySize, TooManyBytes } from './copyOut.ts'
import { matcher } from './eventFilter.ts'
import type { EventFilter, FollowOptions } from './eventStore.ts'
import { type Query, RAW } from './postgresQuery.ts'

/** How the log is read where much of it is wanted. */
export interface StretchSource {
  readonly query: Query
  /** Everything that a COPY writes. @throws TooManyBytes */
  readonly copy: (text: string, bytes: CopySize) => Promise<Buffer>
}

export interface StretchOptions extends Pick<EventFilter, 'categories'> {
  /** Exclusive. */
  readonly from: Position
  /** Inclusive. */
  readonly to: Position
  /** Events handed over at a time, at most. */
  readonly pageSize: number
  /** For who follows the log: see `CopiedEvents.takeLean`. */
  readonly lean?: boolean
  readonly wanted?: FollowOptions['wanted']
}

/** Positions have no gaps: so many at most are read at once, */
const MOST_EVENTS = 16_384
/** and no more than make about so many bytes, by those read before. */
const BYTES = 4_194_304
/** Should the next be so much larger than these, fewer are read. */
const MOST_BYTES = 67_108_864

/**
 * The log from one position to another in pages, read a stretch at a time by COPY; the next stretch is on its way while the caller works on
 * this one.
 */
export async function* readStretches(
  source: StretchSource,
  { from, to, pageSize, categories, wanted, lean = false }: StretchOptions,
): AsyncGenerator<{ events: StoredEvent[]; through: Position }> {
  const matches =
    (categories || wanted) && matcher({ ...(categories && { categories }), ...(wanted && { wanted }) })
  const names = new StreamNames()
  const end = Number(to)
  let asked = Number(from)
  let size = pageSize
  let perEvent = 1000
  const ask = (): Promise<Stretch> => {
    const after = asked
    asked = Math.min(after + size, end)
    return readStretch(source, names, after, asked, perEvent)
  }
  let next: Promise<Stretch> | undefined = asked < end ? ask() : undefined
  while (next) {
    const { rows, bytes, after, through } = await next
    asked = through
    perEvent = Math.max(bytes / (through - after), 1)
    size = Math.max(1, Math.min(size * 2, Math.floor(BYTES / perEvent), MOST_EVENTS))
    next = asked < end ? ask() : undefined
    next?.catch(() => {})
    while (!rows.done) {
      const events: StoredEvent[] = []
      let last = 0
      for (let n = 0; n < pageSize && !rows.done; n++) {
        const stream = names.get(rows.stream)
        last = rows.position
        if (matches && !matches({ stream, type: '' })) rows.skip()
        else events.push(lean ? rows.takeLean(stream) : rows.take(stream))
      }
      yield { events, through: String(last) }
    }
  }
}

interface Stretch {
  readonly rows: CopiedEvents
  readonly bytes: number
  readonly after: number
  readonly through: number
}

async function readStretch(
  source: StretchSource,
  names: StreamNames,
  after: number,
  to: number,
  perEvent: number,
): Promise<Stretch> {
  for (let through = to; ; through = after + Math.max(1, Math.floor((through - after) / 4))) {
    try {
      const bytes = await source.copy(
        `copy (select ${COPIED} from log.events where position > ${after} and position <= ${through} order by position)
           to stdout (format binary)`,
        {
          expected: Math.ceil((through - after) * perEvent * 1.1) + 1024,
          most: through - after > 1 ? MOST_BYTES : Number.POSITIVE_INFINITY,
        },
      )
      const rows = new CopiedEvents(bytes)
      await names.learn(source.query, rows.streams())
      return { rows, bytes: bytes.length, after, through }
    } catch (error) {
      if (!(error instanceof TooManyBytes)) throw error
    }
  }
}

/** Names of streams by their numbers, which never change; those lately asked for. */
class StreamNames {
  #young = new Map<number, string>()
  #old = new Map<number, string>()

  /** These are known from then on, until two more stretches have been learned. */
  async learn(query: Query, streams: readonly number[]): Promise<void> {
    const unknown = new Set<number>()
    for (const stream of streams) if (!this.#find(stream)) unknown.add(stream)
    if (unknown.size === 0) return
    const { rows } = await query({
      name: 'stream names',
      text: 'select id, name from log.streams where id = any($1)',
      values: [[...unknown]],
      ...RAW,
    })
    for (const [id, name] of rows) this.#keep(Number(id), name!)
  }

  get(stream: number): string {
    return this.#young.get(stream) ?? this.#old.get(stream)!
  }

  #find(stream: number): boolean {
    if (this.#young.has(stream)) return true
    const name = this.#old.get(stream)
    if (name === undefined) return false
    this.#keep(stream, name)
    return true
  }

  #keep(stream: number, name: string): void {
    this.#young.set(stream, name)
    if (this.#young.size < 2 * MOST_EVENTS) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
