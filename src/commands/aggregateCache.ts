import { LRUCache } from 'lru-cache'
import type { DomainEvent } from '../domain/envelope.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Aggregate } from './handle.ts'
import type { ReadHead } from './headReader.ts'
import { emptySnapshot, foldStored, type Snapshot } from './snapshot.ts'

/** Characters of event text that the snapshots kept may have folded altogether. */
const CACHE_SIZE = 128_000_000

/**
 * Snapshots of aggregates by stream. What is kept may be older than the log, since other nodes write too: whoever decides on it
 * appends with its revision, and whoever only looks at it asks for `current`.
 */
export interface AggregateCache {
  /** What is kept, however old. */
  peek<S>(stream: string): Snapshot<S> | undefined
  /** Keeps a snapshot unless a newer one is kept. */
  keep<S>(stream: string, snapshot: Snapshot<S>): void
  forget(stream: string): void
  /** The stream read from the log, from `after` on. */
  read<S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    stream: string,
    after?: Snapshot<S>,
  ): Promise<Snapshot<S>>
  /** The stream as of now: what is kept where the log has no more, else read. */
  current<S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    stream: string,
  ): Promise<Snapshot<S>>
}

export function createAggregateCache(deps: {
  readonly store: EventStore
  readonly readHead: ReadHead
  readonly size?: number
}): AggregateCache {
  const { store, readHead } = deps
  const snapshots = new LRUCache<string, Snapshot<unknown>>({
    maxSize: deps.size ?? CACHE_SIZE,
    sizeCalculation: ({ size, commands }, stream) => 500 + stream.length + size + commands.size * 100,
  })

  const cache: AggregateCache = {
    peek: <S>(stream: string) => snapshots.get(stream) as Snapshot<S> | undefined,

    keep(stream, snapshot) {
      if (snapshot.revision > (snapshots.peek(stream)?.revision ?? -1)) snapshots.set(stream, snapshot)
    },

    forget(stream) {
      snapshots.delete(stream)
    },

    async read(aggregate, stream, after = emptySnapshot(aggregate.decider.initial)) {
      const events = store.read(stream, { from: after.revision + 1 })
      const snapshot = await foldStored(aggregate.decider, after, events)
      cache.keep(stream, snapshot)
      return snapshot
    },

    async current<S, C, E extends DomainEvent<string, unknown>>(
      aggregate: Aggregate<S, C, E>,
      stream: string,
    ) {
      const kept = cache.peek<S>(stream)
      if (!kept) return cache.read(aggregate, stream)
      const head = await readHead(stream)
      if (head?.revision === kept.revision && head.chain === kept.chain) return kept
      const newest = cache.peek<S>(stream)
      if (head && newest && newest.revision >= head.revision && newest.revision > kept.revision) return newest
      return cache.read(aggregate, stream, head && head.revision > kept.revision ? kept : undefined)
    },
  }
  return cache
}
