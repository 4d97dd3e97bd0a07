import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { createListener } from './postgresListener.ts'
import { firstAfter, ReadEvent, type TailEvent } from './tailEvents.ts'

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

  const listener = createListener({
    connectionString: options.connectionString,
    wanted: () => holders > 0 && !closed,
    // What came before we listened.
    onListening: () => void read(),
    onNotice(position) {
      hear(position)
      notice()
    },
    onTrouble(error) {
      if (!closed) options.onTrouble(error)
    },
  })
  let listening: Promise<void> | undefined

  const stop = () => {
    clearInterval(timer)
    clearTimeout(noticed)
    noticed = undefined
    listener.drop()
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
        listening = (listening ?? Promise.resolve()).then(listener.listen)
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

/** Positions here are integers without gaps. */
const next = (position: Position): Position => String(BigInt(position) + 1n)
