/**
 * A decider is the business of one aggregate, told as cases (Jérémie Chassaing, "Functional Event Sourcing Decider").
 * Pure: no clock, no random, no id made inside, no await. What a decision needs arrives in the command.
 */
export interface Decider<State, Command, Event> {
  readonly initial: State
  /** Decides what happened, or why it may not. An empty list says that the command changes nothing. */
  readonly decide: (command: Command, state: State) => Decision<Event>
  /** Folds one event that did happen into the state. Trusts history: never refuses. */
  readonly evolve: (state: State, event: Event) => State
}

export type Decision<Event> = readonly Event[] | Refusal | RecordedRefusal<Event>

/** A rule of the business says no. `status` is how HTTP tells it; nothing is recorded. */
export interface Refusal {
  readonly refused: RefusalCode
  readonly status: 403 | 404 | 409 | 422
  readonly detail: string
  /** Faults of input, with JSON Pointers (RFC 6901) into the request body. */
  readonly errors?: readonly InputFault[]
  /** Members that the problem document carries beside the standard ones (RFC 9457 §3.2). */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** A refusal that is itself behaviour worth recording, such as a submission that fails its schema. */
export interface RecordedRefusal<Event> extends Refusal {
  readonly events: readonly Event[]
}

/** A fact, in snake_case: `session_not_active`, `dependencies_unmet`, `step_hidden`, … */
export type RefusalCode = string

export interface InputFault {
  readonly pointer: string
  readonly detail: string
}

export function isRefusal<Event>(decision: Decision<Event>): decision is Refusal | RecordedRefusal<Event> {
  return 'refused' in decision
}

export function refuse(
  status: Refusal['status'],
  refused: RefusalCode,
  detail: string,
  more: Pick<Refusal, 'errors' | 'extra'> = {},
): Refusal {
  return { refused, status, detail, ...more }
}
