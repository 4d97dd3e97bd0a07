import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { type Checkpoint, extendDigest, type Mismatch, noEvents } from './checkpoint.ts'
import type { CheckpointFile, HeadMark } from './checkpointFile.ts'
import type { EventStore } from './eventStore.ts'
import type { Fault } from './verify.ts'

interface Mark {
  readonly checkpoint: Checkpoint
  readonly heads: Readonly<Record<string, HeadMark>>
}

/** What is in the log of a stream. */
interface Seen {
  readonly first: Position
  revision: number
  position: Position
  /** Its event of the revision that the mark names, where there is one. */
  marked?: { readonly chain: string; readonly position: Position }
}

/**
 * Finds out what a tenant's log lacks, or has too much, against a checkpoint that it does not agree with: reads it again, finds the
 * first of all checkpoints that differs, and holds the streams that grew before it against what was noted then.
 */
export async function locate(store: EventStore, file: CheckpointFile, mismatch: Mismatch): Promise<Fault> {
  const { tenant } = mismatch.checkpoint
  const marks = await marksBetween(file, mismatch)
  const found = (await firstDifferent(store, tenant, marks)) ?? { mark: { ...mismatch, heads: {} }, count: 0 }
  const before = marks.findLast((mark) => isBefore(mark.checkpoint, found.mark.checkpoint.position))
  const agreed = before?.checkpoint.position ?? mismatch.after
  const seen = new Map<string, Seen>()
  for await (const page of store.readAll({ tenant, pageSize: 1000 }))
    for (const event of page) see(seen, event, found.mark.heads)
  return differences(found.mark, seen, agreed)[0] ?? unlocated(found.mark.checkpoint, agreed, found.count)
}

const isBefore = (it: { readonly position: Position }, position: Position) =>
  comparePositions(it.position, position) < 0

async function marksBetween(file: CheckpointFile, { checkpoint: last, after }: Mismatch): Promise<Mark[]> {
  const marks: Mark[] = []
  for await (const line of file.lines()) {
    const checkpoint = line.checkpoints.find(({ tenant }) => tenant === last.tenant)
    if (!checkpoint || comparePositions(checkpoint.position, after) <= 0) continue
    if (comparePositions(checkpoint.position, last.position) <= 0)
      marks.push({ checkpoint, heads: line.heads?.[last.tenant] ?? {} })
  }
  return marks.sort((a, b) => comparePositions(a.checkpoint.position, b.checkpoint.position))
}

/** `count` is how many events there are up to it. */
async function firstDifferent(
  store: EventStore,
  tenant: string,
  marks: readonly Mark[],
): Promise<{ mark: Mark; count: number } | undefined> {
  let digest = noEvents
  let next = 0
  const differs = (mark: Mark) => mark.checkpoint.digest !== digest.digest
  for await (const page of store.readAll({ tenant, pageSize: 1000 })) {
    for (const event of page) {
      for (; next < marks.length && isBefore(marks[next]!.checkpoint, event.position); next++)
        if (differs(marks[next]!)) return { mark: marks[next]!, count: digest.count }
      digest = extendDigest(digest, event)
    }
  }
  const mark = marks.slice(next).find(differs)
  return mark && { mark, count: digest.count }
}

function see(seen: Map<string, Seen>, event: StoredEvent, heads: Mark['heads']): void {
  const { stream, revision, position, metadata } = event
  const known = seen.get(stream)
  const now = known ?? { first: position, revision, position }
  now.revision = revision
  now.position = position
  if (heads[stream]?.[0] === revision) now.marked = { chain: metadata.chain, position }
  if (!known) seen.set(stream, now)
}

function differences(
  { checkpoint, heads }: Mark,
  seen: ReadonlyMap<string, Seen>,
  agreed: Position,
): Fault[] {
  const { tenant, at } = checkpoint
  const then = `the checkpoint of ${at} saw it`
  const faults: Fault[] = []
  const moved: Fault[] = []
  for (const [stream, [revision, chain]] of Object.entries(heads)) {
    const now = seen.get(stream)
    const place = { tenant, stream }
    if (!now) {
      const detail = `the whole stream is gone; ${then} up to revision ${revision}`
      faults.push({ problem: 'removed', ...place, revision: 0, after: agreed, detail })
    } else if (now.revision < revision) {
      const detail = `the stream ends at revision ${now.revision}; ${then} up to revision ${revision}`
      faults.push({ problem: 'removed', ...place, revision: now.revision + 1, after: now.position, detail })
    } else if (!now.marked?.chain.startsWith(chain)) {
      const { position } = now.marked ?? now
      const detail = `the stream was rewritten, chains and all: ${then} with another event at revision ${revision}`
      faults.push({ problem: 'changed', ...place, revision, position, detail })
    } else if (comparePositions(now.marked.position, checkpoint.position) > 0) {
      const { position } = now.marked
      const detail = `${then} at revision ${revision} by position ${checkpoint.position}`
      moved.push({ problem: 'reordered', ...place, revision, position, detail })
    }
  }
  if (Object.keys(heads).length > 0)
    for (const [stream, { first }] of seen) {
      const within = comparePositions(first, agreed) > 0 && comparePositions(first, checkpoint.position) <= 0
      if (!within || heads[stream]) continue
      const detail = `the checkpoint of ${at} saw nothing of this stream`
      faults.push({ problem: 'inserted', tenant, stream, revision: 0, position: first, detail })
    }
  const place = (fault: Fault) => fault.position ?? fault.after!
  return [...faults.sort((a, b) => comparePositions(place(a), place(b))), ...moved]
}

function unlocated(checkpoint: Checkpoint, agreed: Position, count: number): Fault {
  const { tenant, at, position } = checkpoint
  const what = count === checkpoint.count ? 'their order or the times they were written' : 'their number'
  return {
    problem: 'differs_from_checkpoint',
    tenant,
    after: agreed,
    position,
    detail: `the events after position ${agreed} up to ${position} differ in ${what} from the checkpoint of ${at} (${count} of ${checkpoint.count} events)`,
  }
}
