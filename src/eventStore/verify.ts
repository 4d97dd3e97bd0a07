import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position, START } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import { chainOf } from './chain.ts'
import { type Checkpoint, extendDigest, type Mismatch, noEvents, type TenantDigest } from './checkpoint.ts'
import { createIdFilter } from './idFilter.ts'

/** What is wrong with the log, and where; what is not known is absent. */
export interface Fault {
  readonly problem: Problem
  readonly tenant?: string
  readonly stream?: string
  readonly revision?: number
  readonly position?: Position
  /** The last event before the fault of which nothing is said. */
  readonly after?: Position
  readonly detail: string
}

export type Problem =
  /** The event is not the one that was written, or one before it in its stream is not. */
  | 'changed'
  | 'removed'
  | 'inserted'
  | 'reordered'
  | 'repeated_id'
  /** Not what was signed; only the positions between which it differs are known. */
  | 'differs_from_checkpoint'
  | 'forged_checkpoint'

export interface Head {
  revision: number
  chain: string
  position: Position
  tenant: string
  /** A number of its own, to tell its ids from another stream's. */
  readonly ordinal: number
}

/** Signed digests to hold the log to, by tenant and in order of position. */
export type Checkpoints = ReadonlyMap<string, readonly Checkpoint[]>

export interface Verification {
  /** The next event in order of position. */
  add(event: StoredEvent): void
  /** Says that the log ends here; `head` is where the log says that it ends. */
  finish(head: Position | undefined): Verified
}

export interface Verified {
  readonly events: number
  readonly streams: number
  /** In order of finding; those that follow from an earlier one of the same stream are left out. At most 1,000. */
  readonly faults: readonly Fault[]
  readonly digests: ReadonlyMap<string, TenantDigest>
  readonly heads: ReadonlyMap<string, Readonly<Head>>
  /** Checkpoints that the log does not agree with, each with the last one before it that it does. */
  readonly mismatches: readonly Mismatch[]
  /** Events whose id may have been seen before in their stream: one in thousands is suspected wrongly, so look again. */
  readonly suspectedIds: ReadonlySet<string>
}

const MOST_FAULTS = 1000

/**
 * Verifies a log, or one tenant's part of it, event by event in order of position: positions grow (without gaps where the engine
 * promises that), every stream's revisions count from 0, every event's chain follows from the one before and from what is stored, and
 * at each checkpoint the digest is the one that was signed. Memory grows with the number of streams, not of events.
 */
export function startVerification(options: {
  readonly gapless: boolean
  readonly checkpoints: Checkpoints
}): Verification {
  const heads = new Map<string, Head>()
  const digests = new Map<string, TenantDigest>()
  const faults: Fault[] = []
  const mismatches: Mismatch[] = []
  const suspectedIds = new Set<string>()
  const ids = createIdFilter()
  const due = new Map([...options.checkpoints].map(([tenant, list]) => [tenant, [...list].reverse()]))
  const agreed = new Map<string, Position>()
  let events = 0
  let last: Position = START

  const report = (fault: Fault) => {
    if (faults.length < MOST_FAULTS) faults.push(fault)
  }

  function compare(checkpoint: Checkpoint): void {
    const digest = digests.get(checkpoint.tenant) ?? noEvents
    if (digest.count === checkpoint.count && digest.digest === checkpoint.digest) {
      agreed.set(checkpoint.tenant, checkpoint.position)
      return
    }
    mismatches.push({ checkpoint, after: agreed.get(checkpoint.tenant) ?? START })
    // Going on from what was signed, a later checkpoint is wrong only for a reason of its own.
    digests.set(checkpoint.tenant, checkpoint)
    agreed.set(checkpoint.tenant, checkpoint.position)
  }

  function checkPosition(event: StoredEvent): void {
    const { position, stream, revision } = event
    const grown = comparePositions(position, last)
    if (grown <= 0) {
      report({
        problem: 'reordered',
        ...at(event),
        detail: `position ${position} comes after position ${last}`,
      })
    } else if (options.gapless && Number(position) !== Number(last) + 1) {
      const first = String(Number(last) + 1)
      const missing = Number(position) - Number(first)
      const detail =
        missing === 1
          ? `no event at position ${first}`
          : `no events at positions ${first} to ${Number(position) - 1}`
      report({
        problem: 'removed',
        position: first,
        detail: `${detail}, before ${stream} revision ${revision}`,
      })
    }
    last = position
  }

  function reportStray(event: StoredEvent, head: Head): void {
    const { stream, revision } = event
    const detail = `revision ${revision} comes after revision ${head.revision}`
    // What seemed to be missing is here, only later.
    const missed = faults.findIndex(
      (it) => it.problem === 'removed' && it.stream === stream && it.revision === revision,
    )
    if (missed >= 0) faults[missed] = { problem: 'reordered', ...at(event), detail }
    else report({ problem: revision === head.revision ? 'inserted' : 'reordered', ...at(event), detail })
  }

  function checkPlace(event: StoredEvent, head: Head): void {
    const expected = head.revision + 1
    const { revision } = event
    if (revision > expected) {
      const missing =
        revision - expected === 1 ? `revision ${expected} is` : `revisions ${expected} to ${revision - 1} are`
      report({
        problem: 'removed',
        tenant: head.tenant,
        stream: event.stream,
        revision: expected,
        after: head.position,
        detail: `${missing} missing before revision ${revision} at position ${event.position}`,
      })
    } else if (revision < expected) {
      reportStray(event, head)
    } else if (chainOf(revision === 0 ? undefined : head.chain, event) !== event.metadata.chain) {
      report({
        problem: 'changed',
        ...at(event),
        detail: 'its chain is not that of what is stored: this event or the one before it was changed',
      })
    }
  }

  return {
    add(event) {
      events += 1
      checkPosition(event)
      let head = heads.get(event.stream)
      if (!head) {
        const tenant = parseStreamName(event.stream)?.tenant ?? event.metadata.tenant
        head = { revision: -1, chain: '', position: START, tenant, ordinal: heads.size }
        heads.set(event.stream, head)
      }
      checkPlace(event, head)
      const { tenant } = head
      if (event.metadata.tenant !== tenant)
        report({
          problem: 'changed',
          ...at(event),
          detail: `its metadata names tenant ${event.metadata.tenant}`,
        })
      if (ids.seen(event.id, head.ordinal)) suspectedIds.add(event.stream)
      const list = due.get(tenant)
      while (list?.length && comparePositions(list.at(-1)!.position, event.position) < 0) compare(list.pop()!)
      head.revision = event.revision
      head.chain = event.metadata.chain
      head.position = event.position
      digests.set(tenant, extendDigest(digests.get(tenant) ?? noEvents, event))
    },
    finish(end) {
      if (end !== undefined && comparePositions(end, last) > 0)
        report({
          problem: 'removed',
          position: options.gapless ? String(Number(last) + 1) : end,
          detail: `the log went on to position ${end} and its last event is at ${last}`,
        })
      for (const list of due.values()) while (list.length > 0) compare(list.pop()!)
      return { events, streams: heads.size, faults, digests, heads, mismatches, suspectedIds }
    },
  }
}

function at(event: StoredEvent): Pick<Fault, 'tenant' | 'stream' | 'revision' | 'position'> {
  const { stream, revision, position } = event
  return { tenant: event.metadata.tenant, stream, revision, position }
}
