import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, type Position } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import { extendDigest, noEvents, signCheckpoint, type TenantDigest } from '../eventStore/checkpoint.ts'
import { type CheckpointFile, createHeadMarks } from '../eventStore/checkpointFile.ts'
import type { CheckpointKey } from '../eventStore/checkpointKey.ts'
import type { EventStore, Followed } from '../eventStore/eventStore.ts'

export interface CheckpointWriterOptions {
  readonly store: EventStore
  readonly file: CheckpointFile
  readonly key: CheckpointKey
  readonly now: () => string
  readonly onError: (error: unknown) => void
  /** A checkpoint is written when nothing new came for this long, … */
  readonly quietMs?: number
  /** … when the oldest event it will cover has waited this long, … */
  readonly longestMs?: number
  /** … or when this many events wait. */
  readonly mostEvents?: number
  /** Reading is held back to this rate: a checkpoint is never so urgent that an import should wait for it. */
  readonly eventsPerSecond?: number
}

export interface CheckpointWriter {
  /** Signs what was seen so far and ends. */
  stop(): Promise<void>
}

/** Follows the log and writes signed checkpoints of every tenant beside it. Goes on where the file ends. */
export function startCheckpoints(options: CheckpointWriterOptions): CheckpointWriter {
  const { quietMs = 1000, longestMs = 30_000, mostEvents = 10_000, eventsPerSecond = 20_000 } = options
  const { store, file, key, now, onError } = options
  const stopping = new AbortController()
  const digests = new Map<string, TenantDigest>()
  const grown = new Set<string>()
  const marks = createHeadMarks()
  let through: Position = '0'
  let waiting = 0
  let since = 0
  let timer: NodeJS.Timeout | undefined

  /** One at a time: what is added meanwhile goes into the next line. */
  let writing = Promise.resolve()
  const write = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting === 0) return writing
    waiting = 0
    const at = now()
    const checkpoints = [...grown].map((tenant) => signCheckpoint(key, tenant, digests.get(tenant)!, at))
    grown.clear()
    const line = { through, checkpoints, heads: marks.take() }
    // A line that could not be written is covered by the next one: digests run from the beginning of the log.
    writing = writing.then(() => file.append(line)).catch(onError)
    return writing
  }

  function take(batch: Followed): void {
    through = batch.through
    if (batch.kind === 'caughtUp') return
    for (const event of batch.events) {
      const tenant = parseStreamName(event.stream)?.tenant ?? event.metadata.tenant
      const digest = digests.get(tenant) ?? noEvents
      if (comparePositions(event.position, digest.position) <= 0) continue
      digests.set(tenant, extendDigest(digest, event))
      grown.add(tenant)
      marks.note(tenant, event.stream, { revision: event.revision, chain: event.metadata.chain })
      if (waiting === 0) since = Date.now()
      waiting += 1
    }
  }

  async function follow(): Promise<void> {
    const latest = await file.latest()
    for (const [tenant, checkpoint] of latest.byTenant) digests.set(tenant, checkpoint)
    through = latest.through
    const { signal } = stopping
    for await (const batch of store.follow({ from: through, signal, pageSize: 1000 })) {
      take(batch)
      if (waiting >= mostEvents || (waiting > 0 && Date.now() - since >= longestMs)) await write()
      clearTimeout(timer)
      if (waiting > 0) timer = setTimeout(write, quietMs)
      if (batch.kind === 'events')
        await delay((batch.events.length / eventsPerSecond) * 1000, undefined, { signal })
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await follow()
      } catch (error) {
        if (stopping.signal.aborted) break
        onError(error)
        digests.clear()
        grown.clear()
        marks.take()
        waiting = 0
        await delay(1000 + Math.random() * 4000, undefined, { signal: stopping.signal }).catch(() => {})
      }
    }
    await write()
  }
  const running = run()

  return {
    async stop() {
      stopping.abort()
      await running
      await writing
    },
  }
}
