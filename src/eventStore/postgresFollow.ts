import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { matcher } from './eventFilter.ts'
import type { EventFilter, Followed, FollowOptions } from './eventStore.ts'
import type { PageOptions } from './postgresRead.ts'
import type { StretchOptions } from './postgresStretch.ts'
import type { Tail } from './postgresTail.ts'

export interface FollowDependencies {
  readonly tail: Tail
  readonly head: () => Promise<Position>
  readonly readPage: (options: PageOptions) => Promise<{ events: StoredEvent[]; through: Position }>
  /** Whether a filter leaves so much that the log is best read in stretches. */
  readonly isBroad: (filter: EventFilter) => Promise<boolean>
  readonly readStretches: (
    options: StretchOptions,
  ) => AsyncGenerator<{ events: StoredEvent[]; through: Position }>
}

/**
 * Reads pages by itself until it is near the end, then what the shared tail has read. Both read in the order of positions, which is
 * the order of commits without gaps, so that nothing can appear behind a position once seen.
 */
export async function* follow(
  { tail, head, readPage, isBroad, readStretches }: FollowDependencies,
  { from, signal, pageSize = 500, wanted, ...filter }: FollowOptions,
): AsyncGenerator<Followed> {
  const release = tail.hold()
  const matches = matcher({ ...filter, ...(wanted && { wanted }) })
  let at = from
  let caughtUp = false
  try {
    await tail.ready(signal)
    while (!signal.aborted) {
      const recent = tail.after(at)
      if (!recent) {
        caughtUp = false
        const to = await head()
        const range = { ...filter, from: at, to }
        const read = (await isBroad(filter))
          ? readStretches({ ...range, pageSize, lean: true, ...(wanted && { wanted }) })
          : pages(at, to)
        for await (const page of read) {
          at = page.through
          yield { kind: 'events', ...page }
          if (signal.aborted) return
        }
      } else if (comparePositions(recent.through, at) > 0) {
        if (recent.events.length > pageSize) caughtUp = false
        for (let i = 0; i < recent.events.length || i === 0; i += pageSize) {
          const slice = recent.events.slice(i, i + pageSize)
          const last = i + pageSize >= recent.events.length
          at = last ? recent.through : slice.at(-1)!.position
          yield { kind: 'events', events: slice.filter(matches).map((one) => one.event()), through: at }
          if (signal.aborted) return
        }
      } else {
        if (!caughtUp) yield { kind: 'caughtUp', through: at }
        caughtUp = true
        await tail.changed(at, signal)
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    release()
  }

  /** The next page is on its way while the consumer works on this one. */
  async function* pages(start: Position, end: Position) {
    const ask = (after: Position) => readPage({ ...filter, from: after, to: end, limit: pageSize })
    let next: ReturnType<typeof ask> | undefined = ask(start)
    while (next) {
      const page: Awaited<ReturnType<typeof ask>> = await next
      next = comparePositions(page.through, end) < 0 ? ask(page.through) : undefined
      next?.catch(() => {})
      yield page
    }
  }
}
