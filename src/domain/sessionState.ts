import type { Actor } from './envelope.ts'
import { type ImmutableMap, immutableMap } from './immutableMap.ts'
import type { JsonObject } from './json.ts'
import { type Overrides, renamedOverrides } from './overrides.ts'
import type { SessionEvent } from './sessionEvents.ts'

export type SessionStatus = 'active' | 'paused' | 'completed' | 'abandoned'

export interface SessionState {
  /** `none` before the first event. */
  readonly status: SessionStatus | 'none'
  readonly flowId: string
  readonly flowVersion: number
  readonly userId: string | null
  /** Begun by an import: its steps need not be the flow's. */
  readonly imported: boolean
  readonly context: JsonObject
  readonly steps: ImmutableMap<StepState>
  readonly milestones: readonly number[]
  /** `step, message` of every ConditionFailed, so that each is recorded once. */
  readonly failures: ImmutableMap<true>
  /** `experiment, variant` of every exposure. */
  readonly exposures: ImmutableMap<true>
  /** What the variants shown change of its flow's steps, in the order they were shown. */
  readonly overrides: readonly Overrides[]
  /** Steps at which difficulty was detected. */
  readonly difficulties: ImmutableMap<true>
  /** Times are ISO 8601, UTC, milliseconds; empty before the first event. */
  readonly startedAt: string
  readonly lastActivityAt: string
  readonly completedAt: string | undefined
  readonly abandonedAt: string | undefined
  readonly estimatedCompletion: string | undefined
}

export interface StepState {
  readonly status: 'open' | 'completed' | 'skipped'
  /** The nth step the session met, from 0. */
  readonly order: number
  readonly startedAt?: string
  /** When it was completed or skipped; a submission that replaces an answer does not move it. */
  readonly metAt?: string
  readonly metBy?: string
  /** In a box, so that an answer of null is one. */
  readonly answer?: { readonly data: unknown }
  readonly draft?: { readonly data: unknown }
}

/** A session's event as recorded, or as just decided: without metadata it happened when the session last did something. */
export type FoldedEvent = SessionEvent & {
  readonly metadata?: { readonly occurredAt: string; readonly actor?: Actor }
}

export const noSession: SessionState = {
  status: 'none',
  flowId: '',
  flowVersion: 0,
  userId: null,
  imported: false,
  context: {},
  steps: immutableMap<StepState>(),
  milestones: [],
  failures: immutableMap<true>(),
  exposures: immutableMap<true>(),
  overrides: [],
  difficulties: immutableMap<true>(),
  startedAt: '',
  lastActivityAt: '',
  completedAt: undefined,
  abandonedAt: undefined,
  estimatedCompletion: undefined,
}

/** What sets two parts of a key apart; a step id is printable and holds no control character. */
export const pair = (first: string, second: string) => `${first}\u0000${second}`

/** Folds one event. Takes any history, also an imported one with steps repeated, unknown, or after the end. */
export function evolveSession(session: SessionState, event: FoldedEvent): SessionState {
  const at = event.metadata?.occurredAt ?? session.lastActivityAt
  switch (event.type) {
    case 'SessionStarted':
      return {
        ...active(session, at),
        status: 'active',
        flowId: event.data.flowId,
        flowVersion: event.data.flowVersion,
        userId: event.data.userId,
        imported: event.data.imported === true,
        context: event.data.context as JsonObject,
        startedAt: at,
        estimatedCompletion: event.data.estimatedCompletion,
      }
    case 'StepStarted':
      return withStep(active(session, at), event.data.stepId, (step) => ({
        ...step,
        startedAt: step.startedAt ?? at,
      }))
    case 'StepSaved':
      return withStep(active(session, at), event.data.stepId, (step) => ({
        ...step,
        draft: { data: event.data.data },
      }))
    case 'StepCompleted':
      return withStep(estimated(active(session, at), event), event.data.stepId, (step) => ({
        ...met(step, 'completed', at, event),
        answer: { data: event.data.data },
      }))
    case 'StepSkipped':
      return withStep(estimated(active(session, at), event), event.data.stepId, (step) => ({
        ...met(step, 'skipped', at, event),
        ...(step.draft && { draft: step.draft }),
      }))
    case 'StepReopened':
      return withStep(estimated(active(session, at), event), event.data.stepId, (step) => {
        const draft = step.answer ?? step.draft
        return { status: 'open', order: step.order, ...(draft && { draft }) }
      })
    case 'StepValidationFailed':
    case 'SignalTracked':
      return active(session, at)
    case 'MilestoneReached':
      if (session.milestones.includes(event.data.milestone)) return session
      return { ...session, milestones: [...session.milestones, event.data.milestone] }
    case 'SessionPaused':
      return { ...active(session, at), status: 'paused' }
    case 'SessionResumed':
      return { ...estimated(active(session, at), event), status: 'active' }
    case 'SessionCompleted':
      return { ...active(session, at), status: 'completed', completedAt: at, estimatedCompletion: undefined }
    case 'SessionAbandoned':
      return {
        ...(event.data.reason === 'inactivity' ? session : active(session, at)),
        status: 'abandoned',
        abandonedAt: at,
        estimatedCompletion: undefined,
      }
    case 'ConditionFailed':
      return { ...session, failures: session.failures.set(pair(event.data.stepId, event.data.message), true) }
    case 'DifficultyDetected':
      return { ...session, difficulties: session.difficulties.set(event.data.stepId, true) }
    case 'AttributesRecorded':
      return {
        ...active(session, at),
        context: { ...session.context, ...(event.data.attributes as JsonObject) },
        userId: event.data.userId ?? session.userId,
      }
    case 'ExposureRecorded':
      return {
        ...active(session, at),
        exposures: session.exposures.set(pair(event.data.experiment, event.data.variant), true),
        overrides: event.data.overrides ? [...session.overrides, event.data.overrides] : session.overrides,
      }
    case 'SessionMigrated':
      return {
        ...session,
        flowVersion: event.data.to,
        steps: renamed(session.steps, event.data.steps),
        overrides: session.overrides.map((shown) => renamedOverrides(shown, event.data.steps)),
      }
  }
}

/** Something happened: an import may tell it out of order, so the latest time counts, and its earliest is the beginning. */
function active(session: SessionState, at: string): SessionState {
  return {
    ...session,
    lastActivityAt: at > session.lastActivityAt ? at : session.lastActivityAt,
    startedAt: session.imported && at < session.startedAt ? at : session.startedAt,
  }
}

function estimated(
  session: SessionState,
  event: { readonly data: { readonly estimatedCompletion?: string } },
): SessionState {
  const { estimatedCompletion } = event.data
  return estimatedCompletion === undefined ? session : { ...session, estimatedCompletion }
}

function met(step: StepState, status: 'completed' | 'skipped', at: string, event: FoldedEvent): StepState {
  const metBy = event.metadata?.actor?.id
  return {
    status,
    order: step.order,
    ...(step.startedAt !== undefined && { startedAt: step.startedAt }),
    metAt: step.status === status && step.metAt !== undefined ? step.metAt : at,
    ...(metBy !== undefined && { metBy }),
  }
}

function withStep(session: SessionState, id: string, change: (step: StepState) => StepState): SessionState {
  const step = session.steps.get(id) ?? { status: 'open', order: session.steps.size }
  return { ...session, steps: session.steps.set(id, change(step)) }
}

/** All at once, so that two steps may swap their names; what the mapping does not name keeps its own unless it is taken. */
function renamed(
  steps: ImmutableMap<StepState>,
  mapping: Readonly<Record<string, string>>,
): ImmutableMap<StepState> {
  let kept = immutableMap<StepState>()
  let moved = immutableMap<StepState>()
  for (const [id, step] of steps.entries()) {
    if (Object.hasOwn(mapping, id)) moved = moved.set(mapping[id]!, step)
    else kept = kept.set(id, step)
  }
  for (const [id, step] of moved.entries()) kept = kept.set(id, step)
  return kept
}
