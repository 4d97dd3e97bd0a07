import type { Decider, Refusal } from '../domain/decider.ts'
import type { Actor, DomainEvent } from '../domain/envelope.ts'
import type { Position } from '../domain/position.ts'

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
  readonly ifMatch?: (revision: number) => boolean
}

export interface Aggregate<State, Command, Event> {
  /** Of its streams: `session`, `flow`, … */
  readonly category: string
  readonly decider: Decider<State, Command, Event>
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
