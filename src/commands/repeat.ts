import type { DomainEvent, StoredEvent } from '../domain/envelope.ts'
import { decode } from '../eventStore/codec.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import type { Aggregate, Outcome } from './handle.ts'
import type { Task } from './job.ts'
import { emptySnapshot, foldStored, type Snapshot } from './snapshot.ts'

/** The first outcome of a command that is in the stream already (from `revision` on), or that changed nothing then. */
export async function answerRepeat<S, C, E extends DomainEvent<string, unknown>>(
  store: EventStore,
  aggregate: Aggregate<S, C, E>,
  stream: string,
  task: Task<S, C>,
  snapshot: Snapshot<S>,
  revision: number | undefined,
): Promise<Outcome<S, E>> {
  if (revision === undefined) {
    const unchanged = task.unchanged!
    const state = await stateAt(unchanged.revision)
    return { kind: 'accepted', state, events: [], ...unchanged, replayed: true }
  }
  const stored = await eventsOf(store, stream, task.context.commandId, revision)
  const last = stored.at(-1)!
  if (last.metadata.commandHash !== task.context.commandHash) return { kind: 'key_reused' }
  const events = stored.map((event) => decode(event) as unknown as E)
  const place = { revision: last.revision, position: last.position, replayed: true }
  const refusal = aggregate.refusalOf?.(events)
  if (refusal) return { kind: 'refused', refusal, ...place }
  return { kind: 'accepted', state: await stateAt(last.revision), events, ...place }

  async function stateAt(at: number): Promise<S> {
    if (at === snapshot.revision) return snapshot.state
    const events = store.read(stream, { limit: at + 1 })
    return (await foldStored(aggregate.decider, emptySnapshot(aggregate.decider.initial), events)).state
  }
}

/** The events that a command recorded: they stand together. */
async function eventsOf(
  store: EventStore,
  stream: string,
  commandId: string,
  from: number,
): Promise<StoredEvent[]> {
  const found: StoredEvent[] = []
  for await (const event of store.read(stream, { from })) {
    if (event.metadata.commandId !== commandId) break
    found.push(event)
  }
  return found
}
