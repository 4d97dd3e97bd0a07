import pg from 'pg'
import type { StoredEvent } from '../domain/envelope.ts'
import { roughSize } from '../domain/json.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { backoff } from './postgresErrors.ts'
import { CHANNEL } from './postgresSchema.ts'

export interface TailOptions {
  readonly connectionString: string
  /**
   * The next events after a position, and up to where that reaches; as many as the log has unless `more`. `expected`: how many there are as far as
   * is known.
   */
  readonly readAfter: (from: Position, expected: number) => Promise<Stretch & { readonly more: boolean }>
  /** Whether an append of this process is on its way, whose events come without being read. */
  readonly expecting: () => boolean
  readonly head: () => Promise<Position>
  readonly onTrouble: (error: Error) => void
}

/** All events after one position up to another. */
export interface Stretch {
  readonly events: readonly StoredEvent[]
  readonly through: Position
}

/** An event as the tail has it: it is made when somebody wants it, which of what is appended here is often nobody. */
export interface TailEvent {
  readonly stream: string
  readonly type: string
  readonly position: Position
  /** Of its data, roughly, in characters. */
  readonly size: number
  event(): StoredEvent
}

/** What the tail has after a position. */
export interface Recent {
  readonly events: readonly TailEvent[]
  readonly through: Position
}

/**
 * The end of the log, read once for all who follow it, and only while one of them waits for it: who takes his time reads more at a
 * time. What this process appends itself is taken over as it was written, wherever it follows on what is known.
 */
export interface Tail {
  /** Answers once it knows where the log ends, or the signal aborted. Only for who holds it. */
  ready(signal: AbortSignal): Promise<void>
  /** What came after a position; undefined when that is further back than the tail remembers. */
  after(position: Position): Recent | undefined
  /** Answers when the tail may have grown past the position, or the signal aborted. */
  changed(position: Position, signal: AbortSignal): Promise<void>
  /** Says that the log has grown by our own append, which need not wait to hear of itself. */
  wake(through: Position): void
  /** Our own append: what came right after `base`. The events are asked for where they are wanted. */
  appended(base: Position, through: Position, events: () => readonly TailEvent[]): void
  /** Keeps the tail running until the answer is called. */
  hold(): () => void
  close(): Promise<void>
}

/** Without a word from the server, look by ourselves: a notification may be lost with its connection. */
const POLL_MS = 250
/** The connection that listens may die without a word: it is asked so often, and has so long to answer, before it is made anew. */
const ASK_LISTENER_MS = 2000
const LISTENER_PATIENCE_MS = 3000
/** What the tail remembers; who falls further behind reads pages by himself. */
const KEPT_EVENTS = 4000
const KEPT_CHARACTERS = 16_000_000
/** So many more before what is too old is dropped: the rest is copied then. */
const SLACK = 1000
/** How long a notice of events waits for the append of ours that it may be about. */
const OWN_APPEND_MS = 2

export function createTail(options: TailOptions): Tail {
  let kept: TailEvent[] = []
  let sizes: number[] = []
  let characters = 0
  /** Everything after `start` up to `through` is in `kept`; undefined while nobody follows. */
  let start: Position | undefined
  let through: Position = '0'
  /** How far the log is said to reach. */
  let ahead: Position = '0'
  let noticed: NodeJS.Timeout | undefined
  let holders = 0
  let reading = false
  let again = false
  let closed = false
  const waiting = new Set<() => void>()
  let listener: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined

  const wait = (signal: AbortSignal) =>
    new Promise<void>((done) => {
      const tell = () => {
        signal.removeEventListener('abort', tell)
        // In a log that does not grow, who waits no longer would be kept for ever.
        waiting.delete(tell)
        done()
      }
      signal.addEventListener('abort', tell)
      waiting.add(tell)
    })

  const announce = () => {
    for (const tell of [...waiting]) tell()
  }

  const keep = (events: readonly TailEvent[], to: Position) => {
    for (const event of events) {
      const size = event.size + 500
      kept.push(event)
      sizes.push(size)
      characters += size
    }
    through = to
    if (kept.length <= KEPT_EVENTS + SLACK && characters <= KEPT_CHARACTERS) return
    let drop = 0
    while (kept.length - drop > KEPT_EVENTS || (characters > KEPT_CHARACTERS && drop < kept.length))
      characters -= sizes[drop++]!
    if (drop === 0) return
    start = kept[drop - 1]!.position
    kept = kept.slice(drop)
    sizes = sizes.slice(drop)
  }

  const hear = (position: Position) => {
    if (comparePositions(position, ahead) > 0) ahead = position
  }
  const isBehind = () => comparePositions(ahead, through) > 0

  /** Looks at once, unless what is new is probably ours. */
  const notice = () => {
    if (!isBehind() || waiting.size === 0) return
    if (!options.expecting()) void read()
    else
      noticed ??= setTimeout(() => {
        // This thread may have been busy for longer: what has arrived meanwhile is heard first.
        setImmediate(() => {
          noticed = undefined
          if (isBehind() && waiting.size > 0) void read()
        })
      }, OWN_APPEND_MS)
  }

  const read = async () => {
    if (reading) {
      again = true
      return
    }
    reading = true
    try {
      do {
        again = false
        if (start === undefined) {
          through = start = await options.head()
          announce()
        }
        const heard = ahead
        const {
          events,
          through: to,
          more,
        } = await options.readAfter(through, Number(ahead) - Number(through))
        // Our own appends may have come meanwhile.
        if (start !== undefined && comparePositions(to, through) > 0) {
          keep(
            events.slice(firstAfter(events, through)).map((event) => new ReadEvent(event)),
            to,
          )
          announce()
        }
        if (more) again = true
        else if (ahead === heard) ahead = through
        // What nobody waits for yet is read when somebody does.
        if (again && waiting.size === 0) hear(next(through))
      } while ((again || isBehind()) && waiting.size > 0 && holders > 0 && !closed)
    } catch (error) {
      if (!closed) options.onTrouble(error as Error)
    } finally {
      reading = false
    }
  }

  const listen = async () => {
    for (let attempt = 0; holders > 0 && !closed; attempt++) {
      const client = new pg.Client({
        connectionString: options.connectionString,
        application_name: 'gangway: follow',
        keepAlive: true,
        connectionTimeoutMillis: 5000,
        query_timeout: LISTENER_PATIENCE_MS,
      })
      let asking: NodeJS.Timeout | undefined
      const ended = new Promise<void>((done) => client.once('end', done))
      client.on('error', () => {})
      client.on('notification', ({ payload = '0' }) => {
        hear(payload)
        notice()
      })
      try {
        await client.connect()
        await client.query(`listen ${CHANNEL}`)
        listener = client
        attempt = 0
        asking = setInterval(() => client.query('select').catch(() => drop(client)), ASK_LISTENER_MS)
        asking.unref()
        // What came before we listened.
        void read()
        if (holders > 0 && !closed) await ended
      } catch (error) {
        if (!closed) options.onTrouble(error as Error)
      }
      listener = undefined
      clearInterval(asking)
      drop(client)
      if (holders > 0 && !closed) await new Promise((done) => setTimeout(done, backoff(attempt)))
    }
  }
  let listening: Promise<void> | undefined

  const stop = () => {
    clearInterval(timer)
    clearTimeout(noticed)
    noticed = undefined
    if (listener) drop(listener)
    kept = []
    sizes = []
    characters = 0
    start = undefined
  }

  return {
    async ready(signal) {
      while (start === undefined && !signal.aborted) await wait(signal)
    },
    after(position) {
      if (start === undefined || comparePositions(position, start) < 0) return undefined
      return { events: kept.slice(firstAfter(kept, position)), through }
    },
    async changed(position, signal) {
      if (signal.aborted || comparePositions(through, position) > 0) return
      const woken = wait(signal)
      notice()
      await woken
    },
    wake(to) {
      hear(to)
      if (waiting.size > 0) void read()
    },
    appended(base, to, events) {
      hear(to)
      if (start !== undefined && base === through) {
        keep(events(), to)
        announce()
      } else notice()
    },
    hold() {
      holders += 1
      if (holders === 1) {
        timer = setInterval(() => waiting.size > 0 && void read(), POLL_MS)
        timer.unref()
        void read()
        listening = (listening ?? Promise.resolve()).then(listen)
      }
      let held = true
      return () => {
        if (!held) return
        held = false
        holders -= 1
        if (holders === 0) stop()
      }
    },
    async close() {
      closed = true
      stop()
      announce()
      await listening
    },
  }
}

/** Without a goodbye, which nobody might answer. */
const drop = (client: pg.Client) => client.connection.stream.destroy()

/** Positions here are integers without gaps. */
const next = (position: Position): Position => String(BigInt(position) + 1n)

/** Index of the first event after the position, by halving. */
function firstAfter(events: readonly Pick<TailEvent, 'position'>[], position: Position): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (comparePositions(events[middle]!.position, position) > 0) high = middle
    else low = middle + 1
  }
  return low
}

class ReadEvent implements TailEvent {
  readonly #event: StoredEvent

  constructor(event: StoredEvent) {
    this.#event = event
  }

  get stream(): string {
    return this.#event.stream
  }
  get type(): string {
    return this.#event.type
  }
  get position(): Position {
    return this.#event.position
  }
  get size(): number {
    return roughSize(this.#event.data)
  }
  event(): StoredEvent {
    return this.#event
  }
}
