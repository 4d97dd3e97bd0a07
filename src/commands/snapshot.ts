import type { Decider } from '../domain/decider.ts'
import type { DomainEvent, StoredEvent } from '../domain/envelope.ts'
import { roughSize } from '../domain/json.ts'
import { type Position, START } from '../domain/position.ts'
import { catalogue } from '../eventStore/catalogue.ts'
import type { StreamPlace } from '../eventStore/codec.ts'
import { decode } from '../eventStore/codec.ts'

/** An aggregate as of one revision of its stream; −1 stands for a stream without events. Never changed, only replaced. */
export interface Snapshot<State> {
  readonly state: State
  readonly revision: number
  readonly chain: string
  /** Of the last event. */
  readonly position: Position
  /** The first revision of every command that recorded something here. Shared by all snapshots of the stream: it only grows. */
  readonly commands: Map<string, number>
  /** What the state may take in memory, roughly: the text in all events folded. */
  readonly size: number
}

export function emptySnapshot<State>(initial: State): Snapshot<State> {
  return { state: initial, revision: -1, chain: '', position: START, commands: new Map(), size: 0 }
}

/** The snapshot after further events of its stream, as the log holds them. */
export async function foldStored<State, Event extends DomainEvent<string, unknown>>(
  decider: Pick<Decider<State, never, Event>, 'evolve'>,
  snapshot: Snapshot<State>,
  events: AsyncIterable<StoredEvent>,
): Promise<Snapshot<State>> {
  const { commands } = snapshot
  let { state, size } = snapshot
  let last: StoredEvent | undefined
  for await (const stored of events) {
    const event = decode(stored)
    // What a newer build has recorded and this one does not know changes nothing that this one decides by.
    if (catalogue.has(event.type)) state = decider.evolve(state, event as unknown as Event)
    size += roughSize(event.data)
    const { commandId } = event.metadata
    if (!commands.has(commandId)) commands.set(commandId, event.revision)
    last = stored
  }
  if (!last) return snapshot
  const { revision, position, metadata } = last
  return { state, revision, chain: metadata.chain, position, commands, size }
}

/** Where the next event of the stream goes. */
export function placeOf(snapshot: Pick<Snapshot<unknown>, 'revision' | 'chain'>): StreamPlace {
  return snapshot.revision === -1 ? 'no_stream' : { revision: snapshot.revision, chain: snapshot.chain }
}
