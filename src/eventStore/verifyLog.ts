import { comparePositions, type Position, START } from '../domain/position.ts'
import { type Checkpoint, isSignedBy, type Mismatch, signCheckpoint } from './checkpoint.ts'
import { type CheckpointFile, type CheckpointLine, createHeadMarks } from './checkpointFile.ts'
import type { CheckpointKey } from './checkpointKey.ts'
import type { EventStore } from './eventStore.ts'
import { locate } from './locate.ts'
import { type Fault, startVerification, type Verified } from './verify.ts'

export interface VerifyDependencies {
  readonly store: EventStore
  readonly file: CheckpointFile
  readonly key: CheckpointKey
  readonly now: () => string
}

export interface VerifyOptions {
  /** One tenant's events only; then gaps between positions mean nothing, but its checkpoints still cover its end. */
  readonly tenant?: string
  readonly onProgress?: (events: number, position: Position, head: Position) => void
}

export interface VerifyReport {
  readonly ok: boolean
  readonly events: number
  readonly streams: number
  /** Of the tenant asked for, signed now when all is well and else the last one that there is; null in an empty log. */
  readonly checkpoint: Checkpoint | null
  /** Each tenant's. */
  readonly checkpoints: readonly Checkpoint[]
  readonly firstFault?: Fault
  /** In order of position; what follows from an earlier one is left out. */
  readonly faults: readonly Fault[]
}

/** Reads the log once (again up to a fault, to say where it is) and, when nothing is wrong, signs what was seen. */
export async function verifyLog(
  deps: VerifyDependencies,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { store, file, key } = deps
  const { tenant } = options
  // The checkpoints are read before the log, so that none is ahead of what is read.
  const kept = await keptCheckpoints(file, tenant)
  const faults = forged(key, kept)
  const head = await store.head()
  const verification = startVerification({
    gapless: store.engine === 'postgres' && !tenant,
    checkpoints: kept,
  })
  let events = 0
  for await (const page of store.readAll({ pageSize: 1000, ...(tenant !== undefined && { tenant }) })) {
    for (const event of page) verification.add(event)
    events += page.length
    options.onProgress?.(events, page.at(-1)!.position, head)
  }
  const verified = verification.finish(tenant === undefined ? head : undefined)
  faults.push(...verified.faults, ...(await repeatedIds(store, verified.suspectedIds)))
  for (const mismatch of firstOfEach(verified.mismatches)) faults.push(await locate(store, file, mismatch))

  const inOrder = ordered(merged(faults))
  const last = new Map([...kept].map(([name, list]) => [name, list.at(-1)!]))
  if (inOrder.length === 0) await sign(deps, verified, last, tenant === undefined)
  const checkpoints = [...last.values()]
  return {
    ok: inOrder.length === 0,
    events: verified.events,
    streams: verified.streams,
    checkpoint: (tenant === undefined ? checkpoints.at(-1) : last.get(tenant)) ?? null,
    checkpoints,
    ...(inOrder.length > 0 && { firstFault: inOrder[0]! }),
    faults: inOrder,
  }
}

/** Checkpoints to compare with in one reading: the last of each tenant and, spread over the rest, enough to narrow a fault down. */
const MOST_KEPT = 512

async function keptCheckpoints(file: CheckpointFile, tenant?: string): Promise<Map<string, Checkpoint[]>> {
  const kept = new Map<string, Checkpoint[]>()
  for await (const line of file.lines()) {
    for (const checkpoint of line.checkpoints) {
      if (tenant !== undefined && checkpoint.tenant !== tenant) continue
      const list = kept.get(checkpoint.tenant)
      if (!list) kept.set(checkpoint.tenant, [checkpoint])
      else {
        list.push(checkpoint)
        if (list.length > MOST_KEPT)
          kept.set(
            checkpoint.tenant,
            list.filter((_, i) => i % 2 === 0),
          )
      }
    }
  }
  for (const list of kept.values()) list.sort((a, b) => comparePositions(a.position, b.position))
  return kept
}

function forged(key: CheckpointKey, kept: ReadonlyMap<string, readonly Checkpoint[]>): Fault[] {
  return [...kept.values()].flat().flatMap((checkpoint) =>
    isSignedBy(key, checkpoint)
      ? []
      : [
          {
            problem: 'forged_checkpoint' as const,
            tenant: checkpoint.tenant,
            position: checkpoint.position,
            detail: `the checkpoint of ${checkpoint.at} does not carry the signature of key ${key.id}`,
          },
        ],
  )
}

/** Of so many tenants at most it is found out what differs. */
const MOST_LOCATED = 5

function firstOfEach(mismatches: readonly Mismatch[]): Mismatch[] {
  const first = new Map<string, Mismatch>()
  for (const mismatch of mismatches)
    if (!first.has(mismatch.checkpoint.tenant)) first.set(mismatch.checkpoint.tenant, mismatch)
  return [...first.values()].slice(0, MOST_LOCATED)
}

/** Reads the streams of suspected ids again and counts. */
async function repeatedIds(store: EventStore, streams: ReadonlySet<string>): Promise<Fault[]> {
  const faults: Fault[] = []
  for (const stream of streams) {
    const seen = new Map<string, number>()
    for await (const { id, revision, position, metadata } of store.read(stream)) {
      const first = seen.get(id)
      if (first === undefined) seen.set(id, revision)
      else
        faults.push({
          problem: 'repeated_id',
          tenant: metadata.tenant,
          stream,
          revision,
          position,
          detail: `its id ${id} is that of revision ${first} too`,
        })
    }
  }
  return faults
}

/** A position without an event and a stream without a revision, found apart, are one fault where they can be. */
function merged(faults: readonly Fault[]): Fault[] {
  const holes = faults.filter((fault) => fault.problem === 'removed' && fault.stream === undefined)
  const named = faults.filter((fault) => fault.stream !== undefined || fault.problem !== 'removed')
  const filled = named.map((fault) => {
    if (fault.problem !== 'removed' || fault.position !== undefined) return fault
    const hole = holes.findIndex((it) => comparePositions(it.position!, fault.after ?? START) > 0)
    if (hole < 0) return fault
    return { ...fault, position: holes.splice(hole, 1)[0]!.position! }
  })
  return [...filled, ...holes]
}

function ordered(faults: readonly Fault[]): Fault[] {
  const place = (fault: Fault) => fault.position ?? fault.after ?? START
  // The sort is stable: of two faults at one place the one found first stays first.
  return [...faults].sort((a, b) => comparePositions(place(a), place(b)))
}

async function sign(
  { file, key, now }: VerifyDependencies,
  verified: Verified,
  last: Map<string, Checkpoint>,
  whole: boolean,
): Promise<void> {
  const fresh: Checkpoint[] = []
  const before = new Map(last)
  let through = START
  for (const [tenant, digest] of verified.digests) {
    if (comparePositions(digest.position, through) > 0) through = digest.position
    if (last.get(tenant)?.position === digest.position) continue
    const checkpoint = signCheckpoint(key, tenant, digest, now())
    fresh.push(checkpoint)
    last.set(tenant, checkpoint)
  }
  if (fresh.length === 0) return
  const heads = createHeadMarks()
  for (const [stream, head] of verified.heads)
    if (comparePositions(head.position, before.get(head.tenant)?.position ?? START) > 0)
      heads.note(head.tenant, stream, head)
  const line: CheckpointLine = { ...(whole && { through }), checkpoints: fresh, heads: heads.take() }
  await file.append(line)
}
