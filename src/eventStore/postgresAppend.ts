import type { NewEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { checkAppend, checkSize } from './appendChecks.ts'
import { type AppendResult, EventStoreUnavailable, type ExpectedRevision } from './eventStore.ts'
import { backoff, isPassing } from './postgresErrors.ts'
import { createGathering } from './postgresGather.ts'
import {
  appendedEvents,
  formGroup,
  type Group,
  type PendingAppend,
  pending,
  verdicts,
} from './postgresGroup.ts'
import { findRepeats } from './postgresRepeats.ts'
import { createWriter, type Writer } from './postgresWriter.ts'
import type { TailEvent } from './tailEvents.ts'

export interface AppenderOptions {
  readonly connectionString: string
  /** An append answers or fails within this, in milliseconds. */
  readonly deadline: number
  /** Groups on their way at a time: while one commits the next is made ready. */
  readonly writers: number
  /** Told of what was written, in the order of positions for each writer. `events` where they are at hand. */
  readonly onCommitted: (written: Written) => void
  readonly onTrouble: (error: Error) => void
}

export interface Written {
  /** The log's last position before, and after. */
  readonly base: Position
  readonly through: Position
  readonly events: (() => TailEvent[]) | undefined
}

export interface Appender {
  /** Whether a group is on its way. */
  readonly busy: boolean
  append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<AppendResult>
  /** Sends what is waiting, then closes the connections. */
  close(): Promise<void>
}

/** One group's size: enough to share a commit among all, small enough to keep it short. */
const GROUP_EVENTS = 2000
const GROUP_BYTES = 4_194_304

interface Waiting extends PendingAppend {
  readonly expires: number
  settled: boolean
  readonly settle: (result: AppendResult) => void
  readonly fail: (error: Error) => void
}

/**
 * Group commit: appends that arrive while a group is on its way form the next one, so that one commit serves them all, each with
 * its own verdict. A group whose outcome is unknown goes again with the same ids until it is known.
 */
export function createAppender(options: AppenderOptions): Appender {
  let queue: Waiting[] = []
  let closing = false
  const unsettled = new Set<Waiting>()
  const writers = Array.from({ length: options.writers }, () => createWriter(options))
  const idle = [...writers]

  // Nothing is lost by failing an append here: it may still be written, and a repeat with the same ids will tell.
  const sweep = setInterval(() => {
    const now = performance.now()
    let expired = false
    for (const append of unsettled) {
      if (append.expires > now) break
      expired = true
      append.fail(new EventStoreUnavailable(`The log did not answer within ${options.deadline} ms`))
    }
    if (expired) queue = queue.filter((append) => !append.settled)
    schedule()
  }, 100)
  sweep.unref()

  const waiting = (upTo: number): number => {
    let events = 0
    for (let i = 0; i < queue.length && events < upTo; i++) events += queue[i]!.events.length
    return events
  }
  const schedule = createGathering({
    waiting,
    underWay: () => writers.length - idle.length,
    most: writers.length,
    send: () => void send(idle.pop()!, take()),
  })

  const take = (): Waiting[] => {
    let events = 0
    let bytes = 0
    let count = 0
    for (const append of queue) {
      events += append.events.length
      bytes += append.bytes
      if (count > 0 && (events > GROUP_EVENTS || bytes > GROUP_BYTES)) break
      count += 1
    }
    return queue.splice(0, count)
  }

  const send = async (writer: Writer, appends: Waiting[]): Promise<void> => {
    try {
      const again = await sendAll(writer, appends)
      queue.unshift(...again)
    } finally {
      idle.push(writer)
      schedule()
    }
  }

  /** Answers those that must go again in a next group. */
  const sendAll = async (writer: Writer, appends: Waiting[]): Promise<Waiting[]> => {
    for (let attempt = 0; ; attempt++) {
      const open = appends.filter((append) => !append.settled)
      if (open.length === 0) return []
      try {
        return await attemptGroup(writer, formGroup(open))
      } catch (error) {
        writer.reset()
        if (!isPassing(error)) return failOrSplit(writer, open, error as Error)
        if (attempt === 0) options.onTrouble(error as Error)
        await new Promise((done) => setTimeout(done, backoff(attempt)))
      }
    }
  }

  const attemptGroup = async (writer: Writer, group: Group<Waiting>): Promise<Waiting[]> => {
    const answer = await writer.write(group)
    const again: Waiting[] = []
    const streamsAgain = new Set<string>()
    const refused: { append: Waiting; actual: number }[] = []
    let through: Position | undefined
    for (const [append, verdict] of verdicts(group, answer)) {
      if (verdict.ok === undefined) {
        // Judged together with others of its stream: on its own, or behind one that goes again, it may be the next.
        const behind = append.expected > verdict.actual && streamsAgain.has(append.stream)
        if (verdict.actual === append.expected || behind) {
          again.push(append)
          streamsAgain.add(append.stream)
        } else refused.push({ append, actual: verdict.actual })
      } else {
        if (verdict.ok) through = verdict.position
        append.settle(verdict)
      }
    }
    if (through !== undefined) {
      const { at } = answer
      const events = at && (() => appendedEvents(group, answer, at.toISOString()))
      options.onCommitted({ base: String(answer.base), through, events })
    }
    if (refused.length > 0) {
      const results = await writer.use((client) => findRepeats(client, refused))
      for (const [index, { append }] of refused.entries()) append.settle(results[index]!)
    }
    return again
  }

  /** One append that the database refuses must not take the others of its group with it. */
  const failOrSplit = async (writer: Writer, appends: Waiting[], error: Error): Promise<Waiting[]> => {
    if (appends.length === 1) {
      appends[0]!.fail(error)
      return []
    }
    const again: Waiting[] = []
    for (const append of appends) again.push(...(await sendAll(writer, [append])))
    return again
  }

  return {
    get busy() {
      return idle.length < writers.length
    },
    append(stream, events, expected) {
      return new Promise((resolve, reject) => {
        if (closing) throw new EventStoreUnavailable('The log is closed')
        checkAppend(stream, events, expected)
        const prepared = pending(stream, events, expected)
        checkSize(prepared.bytes)
        const waiting: Waiting = {
          ...prepared,
          expires: performance.now() + options.deadline,
          settled: false,
          settle(result) {
            waiting.settled = true
            unsettled.delete(waiting)
            resolve(result)
          },
          fail(error) {
            waiting.settled = true
            unsettled.delete(waiting)
            reject(error)
          },
        }
        unsettled.add(waiting)
        queue.push(waiting)
        schedule()
      })
    },
    async close() {
      closing = true
      while (unsettled.size > 0) await new Promise((done) => setTimeout(done, 5))
      clearInterval(sweep)
      await Promise.all(writers.map((writer) => writer.close()))
    },
  }
}
