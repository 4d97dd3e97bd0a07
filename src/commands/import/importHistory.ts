import { randomUUID } from 'node:crypto'
import type { Actor, EventMetadata } from '../../domain/envelope.ts'

import type { ImportEvent } from '../../domain/importEvents.ts'
import { type Position, START } from '../../domain/position.ts'
import { streamName } from '../../domain/stream.ts'
import { encode, type StreamPlace } from '../../eventStore/codec.ts'
import { type EventStore, EventStoreUnavailable } from '../../eventStore/eventStore.ts'
import type { ImportSource } from './importSource.ts'
import { ImportWriter } from './importWriter.ts'
import { LineLedger } from './lineLedger.ts'
import { type PreparedLine, prepareLine, type RejectedLine } from './prepareLine.ts'

export interface ImportRequest {
  readonly importId: string
  readonly tenant: string
  readonly flowId: string
  /** The version that sessions begun by this import are of. */
  readonly flowVersion: number
  readonly actor: Actor
  readonly correlationId: string
  readonly commandHash: string
}

/** Lines read (bad ones included), sessions newly begun, and one event for each line newly recorded. */
export interface ImportReport {
  readonly importId: string
  readonly rows: number
  readonly sessions: number
  readonly events: number
  /** The first `REJECTED_SHOWN` of them; `rejectedCount` counts all. */
  readonly rejected: readonly RejectedLine[]
  readonly rejectedCount: number
  /** Of the event that ends the import, in the import's own stream. */
  readonly position: Position
  readonly revision: number
}

export interface ImportProgress {
  readonly rows: number
  readonly events: number
  readonly bytes: number
}

const REJECTED_SHOWN = 1000
const BATCH_LINES = 4096
const BATCH_BYTES = 2_000_000

/**
 * Takes in a history of newline-delimited JSON of any size in constant memory. Every line becomes at most one event whose id comes
 * from its content, its session and the number of equal lines before it, so that an import repeated, resumed after a kill or
 * run twice at once records each line once.
 */
export async function importHistory(
  deps: { store: EventStore; now: () => Date; onProgress?: (progress: ImportProgress) => void },
  request: ImportRequest,
  source: ImportSource,
): Promise<ImportReport> {
  const { store, now } = deps
  const metadata: Omit<EventMetadata, 'v' | 'chain' | 'occurredAt'> = {
    tenant: request.tenant,
    actor: request.actor,
    commandId: request.importId,
    commandHash: request.commandHash,
    $correlationId: request.correlationId,
    $causationId: request.importId,
  }
  const stream = streamName('import', request.tenant, request.importId)
  const started = await begin()

  const ledger = new LineLedger()
  const writer = new ImportWriter(store, { ...request, metadata })
  const rejected: RejectedLine[] = []
  let rejectedCount = 0
  let rows = 0
  let batch: PreparedLine[] = []
  let bytes = 0
  let sending: Promise<void> = Promise.resolve()
  let writing: Promise<void> = Promise.resolve()

  const reject = (line: RejectedLine) => {
    rejectedCount += 1
    if (rejected.length < REJECTED_SHOWN) rejected.push(line)
  }
  /** Hands the batch over once the one before is on its way, and goes on preparing the next one. */
  const flush = async () => {
    if (batch.length === 0) return
    const full = batch
    batch = []
    bytes = 0
    await sending
    sending = writer.write(full, reject).then(({ written }) => {
      writing = written.then(() =>
        deps.onProgress?.({ rows, events: writer.events, bytes: source.bytesRead }),
      )
      writing.catch(() => {})
    })
    sending.catch(() => {})
  }
  try {
    for await (const lines of source.lines()) {
      for (const line of lines) {
        rows += 1
        const prepared = prepareLine(line, ledger)
        if ('code' in prepared) reject(prepared)
        else {
          batch.push(prepared)
          bytes += prepared.bytes
          if (batch.length >= BATCH_LINES || bytes >= BATCH_BYTES) await flush()
        }
      }
    }
    await flush()
    await sending
    await writing
  } finally {
    await sending.catch(() => {})
    await writing.catch(() => {})
    ledger.close()
  }

  rejected.sort((a, b) => a.line - b.line)
  const { sessions, events } = writer
  const completed = await record(
    {
      type: 'ImportCompleted',
      data: {
        importId: request.importId,
        flowId: request.flowId,
        rows,
        sessions,
        events,
        rejectedCount,
        rejected,
        bodyHash: source.digest(),
      },
    },
    started,
  )
  if (!completed)
    throw new EventStoreUnavailable(`another import under the id ${request.importId} ended first`)
  return {
    importId: request.importId,
    rows,
    sessions,
    events,
    rejected,
    rejectedCount,
    position: completed.position,
    revision: completed.revision,
  }

  /** An import that was cut off goes on under the same id: its stream is there already. */
  async function begin(): Promise<Recorded> {
    const event = {
      type: 'ImportStarted',
      data: { importId: request.importId, flowId: request.flowId },
    } as const
    for (;;) {
      const head = (await store.heads([stream])).get(stream)
      if (head) return { ...head, position: START }
      const recorded = await record(event, 'no_stream')
      if (recorded) return recorded
    }
  }

  /** Undefined when somebody else wrote to the import's stream meanwhile. */
  async function record(event: ImportEvent, after: StreamPlace): Promise<Recorded | undefined> {
    // Random, as for the lines: of two attempts at once the log must refuse one, which then looks again, and not take it for a
    // repeat of the other, whose link of the chain is another.
    const id = randomUUID()
    const occurredAt = now().toISOString()
    const [encoded] = encode(stream, [{ id, event, metadata: { ...metadata, occurredAt } }], after)
    const result = await store.append(stream, [encoded!], after === 'no_stream' ? after : after.revision)
    return result.ok
      ? { revision: result.revision, position: result.position, chain: encoded!.metadata.chain }
      : undefined
  }
}

interface Recorded {
  readonly revision: number
  readonly chain: string
  readonly position: Position
}
