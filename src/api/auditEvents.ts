import type { StoredEvent } from '../domain/envelope.ts'
import { comparePositions, type Position } from '../domain/position.ts'
import { parseStreamName } from '../domain/stream.ts'
import type { EventStore } from '../eventStore/eventStore.ts'

export interface AuditFilter {
  readonly type?: string
  readonly stream?: string
  readonly correlationId?: string
}

/** Pages of a tenant's stored events after a position, as far as the log reached at the call; pages may be empty. */
export interface AuditPage {
  readonly events: readonly StoredEvent[]
  /** Everything up to here was looked at. */
  readonly through: Position
}

export async function* auditEvents(
  store: EventStore,
  tenant: string,
  from: Position,
  filter: AuditFilter,
  pageSize: number,
): AsyncGenerator<AuditPage> {
  const { type, stream, correlationId } = filter
  const matches = (event: StoredEvent) =>
    (type === undefined || event.type === type) &&
    (correlationId === undefined || event.metadata.$correlationId === correlationId)
  const pages =
    stream === undefined
      ? // What is looked for by a correlation id is rare: larger pages find it sooner.
        store.readAll({
          tenant,
          from,
          pageSize: correlationId === undefined ? pageSize : 1000,
          ...(type !== undefined && { types: [type] }),
        })
      : streamPages(store, tenant, stream, from)
  for await (const page of pages) yield { events: page.filter(matches), through: page.at(-1)!.position }
}

/** A stream of another tenant has no events for this one. */
async function* streamPages(
  store: EventStore,
  tenant: string,
  stream: string,
  from: Position,
): AsyncGenerator<StoredEvent[]> {
  if (parseStreamName(stream)?.tenant !== tenant) return
  let page: StoredEvent[] = []
  for await (const event of store.read(stream)) {
    if (comparePositions(event.position, from) <= 0) continue
    page.push(event)
    if (page.length < 500) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
