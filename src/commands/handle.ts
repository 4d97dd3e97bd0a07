import type { Decider, Refusal } from '../domain/decider.ts'
import type { Actor, DomainEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'
import { streamName } from '../domain/stream.ts'
import type { EventStore } from '../eventStore/eventStore.ts'
import { createAggregateCache } from './aggregateCache.ts'
import type { CommandKeys } from './commandKeys.ts'
import { createHeadReader } from './headReader.ts'
import type { Task } from './job.ts'
import { createKeyedCommands } from './keyedCommand.ts'
import { createStreamQueues } from './streamQueue.ts'

/** Everything about a command that is not the command. */
export interface CommandContext {
  readonly tenant: string
  readonly actor: Actor
  /** The Idempotency-Key, or an id made for the request. */
  readonly commandId: string
  /** SHA-256 (hex) over method, path and body. */
  readonly commandHash: string
  readonly correlationId: string
  /** The id of what caused the command, where that was not a request: an event, an import, a migration. */
  readonly causationId?: string
  /** Whether `commandId` is an Idempotency-Key, which may come again. */
  readonly keyed: boolean
  /** ISO 8601, UTC, milliseconds. */
  readonly occurredAt: string
  /** Whether the revision is one that the caller expects (`If-Match`). */
  readonly ifMatch?: ((revision: number) => boolean) | undefined
  /** The aggregate's id was made for this command: nothing can be there yet, so nothing is read. */
  readonly newId?: boolean
}

export interface Aggregate<State, Command, Event> {
  /** Of its streams: `session`, `flow`, … */
  readonly category: string
  readonly decider: Decider<State, Command, Event>
  /** The refusal that these events of one command were recorded with; undefined when it was accepted. */
  readonly refusalOf?: (events: readonly Event[]) => Refusal | undefined
}

export type Outcome<State, Event> =
  | {
      readonly kind: 'accepted'
      readonly state: State
      readonly events: readonly Event[]
      readonly revision: number
      readonly position: Position
      readonly replayed: boolean
    }
  | {
      readonly kind: 'refused'
      readonly refusal: Refusal
      readonly revision?: number
      readonly position?: Position
      readonly replayed: boolean
    }
  | { readonly kind: 'precondition_failed'; readonly revision: number | 'no_stream' }
  | { readonly kind: 'key_reused' }

export interface Loaded<State> {
  readonly state: State
  readonly revision: number
  readonly position: Position
}

/**
 * Makes the command of the state, so that facts can be fetched first; a refusal ends it there. It may be asked again when
 * another writer was faster.
 */
export type MakeCommand<State, Command> = (
  state: State,
  occurredAt: string,
) => Command | Refusal | Promise<Command | Refusal>

export interface Handle {
  <S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    id: string,
    context: CommandContext,
    command: MakeCommand<S, C>,
    /** Looked at before a repeat is answered or `If-Match` compared: whether the caller may know of it at all. */
    admit?: (state: S) => Refusal | undefined,
  ): Promise<Outcome<S, E>>
  /** The aggregate as of now, undefined when it has no events. Never older than the log was at the call. */
  load<S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    tenant: string,
    id: string,
  ): Promise<Loaded<S> | undefined>
}

export interface HandleDependencies {
  readonly store: EventStore
  readonly commandKeys: CommandKeys
  readonly metrics?: {
    command(type: string, outcome: string): void
    appended(seconds: number, events: number): void
  }
  /** Characters of event text that cached aggregates may hold; 128 million unless told. */
  readonly cacheSize?: number
}

/** Load, decide, append: the way of every command, written once. */
export function createHandle(deps: HandleDependencies): Handle {
  const { store, commandKeys, metrics } = deps
  const size = deps.cacheSize
  const cache = createAggregateCache({ store, readHead: createHeadReader(store), ...(size && { size }) })
  const enqueue = createStreamQueues({ store, cache, appended: metrics?.appended })
  const withKey = createKeyedCommands(store, commandKeys)

  async function handle<S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    id: string,
    context: CommandContext,
    command: MakeCommand<S, C>,
    admit?: (state: S) => Refusal | undefined,
  ): Promise<Outcome<S, E>> {
    const stream = streamName(aggregate.category, context.tenant, id)
    const task: Task<S, C> = { context, command, admit, type: aggregate.category }
    const outcome = context.keyed
      ? await withKey(context, stream, (seen) => enqueue(aggregate, stream, Object.assign(task, seen)))
      : await enqueue<S, C, E>(aggregate, stream, task)
    metrics?.command(task.type, labelOf(outcome))
    return outcome
  }

  async function load<S, C, E extends DomainEvent<string, unknown>>(
    aggregate: Aggregate<S, C, E>,
    tenant: string,
    id: string,
  ): Promise<Loaded<S> | undefined> {
    const snapshot = await cache.current(aggregate, streamName(aggregate.category, tenant, id))
    const { state, revision, position } = snapshot
    return revision < 0 ? undefined : { state, revision, position }
  }
  return Object.assign(handle, { load })
}

function labelOf(outcome: Outcome<unknown, unknown>): string {
  if ('replayed' in outcome && outcome.replayed) return 'replayed'
  return outcome.kind === 'refused' && outcome.revision !== undefined ? 'refusal_recorded' : outcome.kind
}
