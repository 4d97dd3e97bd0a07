import { isRefusal, type Refusal } from '../domain/decider.ts'
import type { DomainEvent, NewEvent } from '../domain/envelope.ts'
import { eventId } from '../domain/ids.ts'
import { roughSize } from '../domain/json.ts'
import type { Position } from '../domain/position.ts'
import { encode } from '../eventStore/codec.ts'
import type { Aggregate, CommandContext, MakeCommand, Outcome } from './handle.ts'
import { placeOf, type Snapshot } from './snapshot.ts'

/** A command on its way through its stream's queue. */
export interface Task<S, C> {
  readonly context: CommandContext
  readonly command: MakeCommand<S, C>
  readonly admit?: ((state: S) => Refusal | undefined) | undefined
  /** It was accepted before and changed nothing. */
  readonly unchanged?: { readonly revision: number; readonly position: Position } | undefined
  /** Whether it may still record something, where that can change while it waits. */
  readonly mayRecord?: () => boolean | Promise<boolean>
  /** Type of the command, once it is made; for metrics. */
  type: string
}

export interface Job<S, C, E> {
  readonly task: Task<S, C>
  readonly resolve: (outcome: Outcome<S, E> | Promise<Outcome<S, E>>) => void
  readonly reject: (error: unknown) => void
}

export type Verdict<S, E> =
  | {
      readonly kind: 'recorded'
      readonly events: readonly E[]
      readonly encoded: readonly NewEvent[]
      readonly refusal: Refusal | undefined
      readonly after: Snapshot<S>
    }
  /** Answers without recording; holds only as long as the snapshot is the newest. */
  | { readonly kind: 'told'; readonly outcome: Outcome<S, E> }
  /** The stream has it already, from this revision on; or it was accepted then and changed nothing. */
  | { readonly kind: 'repeat'; readonly revision: number | undefined }
  | { readonly kind: 'failed'; readonly error: unknown }

/** Decides one command on a snapshot. What it would record is encoded, and not appended yet. */
export async function judge<S, C, E extends DomainEvent<string, unknown>>(
  aggregate: Aggregate<S, C, E>,
  stream: string,
  task: Task<S, C>,
  snapshot: Snapshot<S>,
): Promise<Verdict<S, E>> {
  const { context } = task
  const { state, revision, position } = snapshot
  const exists = revision >= 0
  try {
    const unwelcome = task.admit?.(state)
    if (unwelcome) return told(refused(unwelcome))
    const first = context.keyed ? snapshot.commands.get(context.commandId) : undefined
    if (first !== undefined || task.unchanged) return { kind: 'repeat', revision: first }
    if (exists && context.ifMatch && !context.ifMatch(revision))
      return told({ kind: 'precondition_failed', revision })

    const made = task.command(state, context.occurredAt)
    const command = made instanceof Promise ? await made : made
    if (isRefused(command)) return told(refused(command))
    task.type = (command as { type?: string }).type ?? task.type
    const decision = aggregate.decider.decide(command, state)
    const refusal = isRefusal(decision) ? withoutEvents(decision) : undefined
    const events = isRefusal(decision) ? ('events' in decision ? decision.events : []) : decision
    if (refusal && events.length === 0) return told(refused(refusal))
    if (!exists && context.ifMatch) return told({ kind: 'precondition_failed', revision: 'no_stream' })
    if (events.length === 0)
      return told({ kind: 'accepted', state, events, revision, position, replayed: false })
    return record(aggregate, stream, context, snapshot, events, refusal)
  } catch (error) {
    return { kind: 'failed', error }
  }
}

function record<S, C, E extends DomainEvent<string, unknown>>(
  aggregate: Aggregate<S, C, E>,
  stream: string,
  context: CommandContext,
  before: Snapshot<S>,
  events: readonly E[],
  refusal: Refusal | undefined,
): Verdict<S, E> {
  const { tenant, commandId } = context
  const metadata = {
    tenant,
    actor: context.actor,
    commandId,
    commandHash: context.commandHash,
    $correlationId: context.correlationId,
    $causationId: context.causationId ?? commandId,
    occurredAt: context.occurredAt,
  }
  const encoded = encode(
    stream,
    events.map((event, index) => ({ id: eventId(tenant, commandId, index), event, metadata })),
    placeOf(before),
  )
  let { state, size } = before
  for (const { type, data, metadata } of encoded) {
    state = aggregate.decider.evolve(state, { type, data, metadata } as unknown as E)
    size += roughSize(data)
  }
  const after: Snapshot<S> = {
    state,
    size,
    revision: before.revision + encoded.length,
    chain: encoded.at(-1)!.metadata.chain,
    position: before.position,
    commands: before.commands,
  }
  return { kind: 'recorded', events, encoded, refusal, after }
}

function withoutEvents({ refused, status, detail, errors, extra }: Refusal): Refusal {
  return { refused, status, detail, ...(errors && { errors }), ...(extra && { extra }) }
}

const told = <S, E>(outcome: Outcome<S, E>): Verdict<S, E> => ({ kind: 'told', outcome })

const refused = (refusal: Refusal) => ({ kind: 'refused', refusal, replayed: false }) as const

function isRefused(command: unknown): command is Refusal {
  return typeof command === 'object' && command !== null && 'refused' in command
}
