import type { CompiledFlow } from './flow.ts'
import type { JsonObject } from './json.ts'
import type { SessionEventOf } from './sessionEvents.ts'

/**
 * What every command of a session carries beside its own: the facts it is decided by.
 */
export interface Facts {
  /** The flow in the version the session is on; for StartSession the version to start. */
  readonly flow: CompiledFlow
  /** Now (ISO 8601, UTC, milliseconds). */
  readonly at: string
  /** Measured medians of the flow's steps, in seconds; a step without one falls back to its estimate. */
  readonly estimates?: ReadonlyMap<string, number>
  /** The user's profile; empty until profiles exist. */
  readonly profile?: JsonObject
}

type Command<Type extends string, Data = object> = { readonly type: Type } & Facts & Readonly<Data>

/** `exposures` are the variants shown from the start; `flow` is then the flow with their overrides. */
export type StartSession = Command<
  'StartSession',
  { userId: string | null; context: JsonObject; exposures?: readonly Exposure[] }
>
export type Exposure = SessionEventOf<'ExposureRecorded'>['data']
type StartStep = Command<'StartStep', { stepId: string }>
/** `data` is any JSON; a body without it counts as `{}`. */
type SaveStep = Command<'SaveStep', { stepId: string; data: unknown }>
export type SubmitStep = Command<'SubmitStep', { stepId: string; data: unknown }>
type SkipStep = Command<'SkipStep', { stepId: string; reason?: string }>
type ReopenStep = Command<'ReopenStep', { stepId: string }>
type PauseSession = Command<'PauseSession', { reason?: string }>
type ResumeSession = Command<'ResumeSession'>
export type CompleteSession = Command<'CompleteSession'>
/** `inactivity` records nothing unless nothing happened for the flow's abandonAfterHours before `at`. */
export type AbandonSession = Command<'AbandonSession', { reason: 'requested' | 'inactivity' }>
type TrackSignal = Command<'TrackSignal', { signal: string; value?: number; properties?: JsonObject }>
export type RecordAttributes = Command<'RecordAttributes', { attributes: JsonObject; userId?: string }>
type RecordExposure = Command<'RecordExposure', { experiment: string; variant: string }>
export type RecordDifficulty = Command<
  'RecordDifficulty',
  { stepId: string; evidence: SessionEventOf<'DifficultyDetected'>['data']['evidence'] }
>
/** `flow` is the version the session is on, `to` the version it moves to, `steps` maps old step ids to new ones. */
export type MigrateSession = Command<
  'MigrateSession',
  { to: CompiledFlow; steps: Readonly<Record<string, string>> }
>

export type SessionCommand =
  | StartSession
  | StartStep
  | SaveStep
  | SubmitStep
  | SkipStep
  | ReopenStep
  | PauseSession
  | ResumeSession
  | CompleteSession
  | AbandonSession
  | TrackSignal
  | RecordAttributes
  | RecordExposure
  | RecordDifficulty
  | MigrateSession
