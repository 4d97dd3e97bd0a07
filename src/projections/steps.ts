import type { RecordedEvent } from '../domain/envelope.ts'
import type { SessionEventOf } from '../domain/sessionEvents.ts'
import { millisecondsOf } from '../domain/time.ts'
import { durationBucket } from './durationBuckets.ts'
import type { Projection, Tally } from './projection.ts'
import type { SessionRow } from './sessionRow.ts'
import { latest, sessions } from './sessions.ts'
import { streamId } from './streamId.ts'

export interface StepRow {
  readonly tenant: string
  readonly session_id: string
  readonly step_id: string
  readonly flow_id: string
  readonly status: 'open' | 'completed' | 'skipped'
  readonly first_started_at: string | null
  readonly first_completed_at: string | null
  readonly last_completed_at: string | null
  readonly skipped_at: string | null
  readonly last_at: string
  readonly started: number
  readonly saved: number
  readonly submitted: number
  readonly failed_validations: number
  readonly skipped: number
  readonly reopened: number
  readonly duration_ms: number | null
}

type Event = RecordedEvent<
  SessionEventOf<
    'StepStarted' | 'StepSaved' | 'StepCompleted' | 'StepValidationFailed' | 'StepSkipped' | 'StepReopened'
  >
>

const stepStatistics: Tally<StepRow> = {
  name: 'step_statistics',
  table: {
    description: 'What happened at a step of a flow, over all sessions.',
    columns: {
      tenant: 'text',
      flow_id: 'text',
      step_id: 'text',
      sessions: 'bigint',
      completed_sessions: 'bigint',
      started: 'bigint',
      submitted: 'bigint',
      failed_validations: 'bigint',
      skipped: 'bigint',
    },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      step_id: 'Step.',
      sessions: 'Sessions in which anything happened at the step.',
      completed_sessions: 'Sessions that completed the step at least once.',
      started: 'How often it was started.',
      submitted: 'How often it was completed, repeats too.',
      failed_validations: 'Submissions that failed their schema.',
      skipped: 'How often it was skipped.',
    },
    key: ['tenant', 'flow_id', 'step_id'],
  } as never,
  of: (row) => [
    {
      key: [row.tenant, row.flow_id, row.step_id],
      add: [1, row.submitted > 0 ? 1 : 0, row.started, row.submitted, row.failed_validations, row.skipped],
    },
  ],
}

const stepTimes: Tally<StepRow> = {
  name: 'step_times',
  table: {
    description:
      'In how many sessions a step took how long, in buckets at most 6.3 % wide (see `flow_times`).',
    columns: { tenant: 'text', flow_id: 'text', step_id: 'text', bucket: 'integer', sessions: 'bigint' },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      step_id: 'Step.',
      bucket: 'Number of the bucket.',
      sessions: 'Sessions whose `duration_ms` at the step is in the bucket.',
    },
    key: ['tenant', 'flow_id', 'step_id', 'bucket'],
  } as never,
  of: ({ tenant, flow_id, step_id, duration_ms }) =>
    duration_ms === null ? [] : [{ key: [tenant, flow_id, step_id, durationBucket(duration_ms)], add: [1] }],
}

/** A step keeps the id under which things happened at it, also when the session moves to a version that names it otherwise. */
export const steps: Projection<StepRow, Event, SessionRow> = {
  name: 'steps',
  version: 1,
  types: ['StepStarted', 'StepSaved', 'StepCompleted', 'StepValidationFailed', 'StepSkipped', 'StepReopened'],
  parent: sessions as never,
  table: {
    description: 'One row for each step that anything happened at in a session.',
    columns: {
      tenant: 'text',
      session_id: 'text',
      step_id: 'text',
      flow_id: 'text',
      status: 'text',
      first_started_at: 'timestamptz',
      first_completed_at: 'timestamptz',
      last_completed_at: 'timestamptz',
      skipped_at: 'timestamptz',
      last_at: 'timestamptz',
      started: 'integer',
      saved: 'integer',
      submitted: 'integer',
      failed_validations: 'integer',
      skipped: 'integer',
      reopened: 'integer',
      duration_ms: 'bigint',
    },
    about: {
      tenant: 'Tenant.',
      session_id: 'Session.',
      step_id: 'Step.',
      flow_id: 'Flow of the session.',
      status: '`open`, `completed` or `skipped`, by what happened last.',
      first_started_at: 'When it was first started.',
      first_completed_at: 'When it was first completed.',
      last_completed_at: 'When it was last completed.',
      skipped_at: 'When it was last skipped.',
      last_at: 'When anything last happened at it.',
      started: 'How often it was started.',
      saved: 'How often a draft was kept.',
      submitted: 'How often it was completed, repeats too.',
      failed_validations: 'How often a submission failed its schema.',
      skipped: 'How often it was skipped.',
      reopened: 'How often it was reopened.',
      duration_ms:
        'What the step took, in milliseconds: from its first start to its first completion; where it was never started, from when the session last moved on (`sessions.moved_at`). Null before it is completed, and where that is not known: the first step of an imported session, or a line told out of order.',
    },
    key: ['tenant', 'session_id', 'step_id'],
    indexes: ['(tenant, flow_id, step_id, duration_ms) where duration_ms is not null'],
  },
  key: (event) => [event.metadata.tenant, streamId(event.stream), event.data.stepId],
  evolve: (found, event, session) => {
    if (!session) throw new Error(`${event.type} before its session began`)
    const at = event.metadata.occurredAt
    const row = found ?? untouched(event, session)
    const last_at = latest(row.last_at, at)
    switch (event.type) {
      case 'StepStarted':
        return { ...row, last_at, started: row.started + 1, first_started_at: row.first_started_at ?? at }
      case 'StepSaved':
        return { ...row, last_at, saved: row.saved + 1 }
      case 'StepValidationFailed':
        return { ...row, last_at, failed_validations: row.failed_validations + 1 }
      case 'StepSkipped':
        return { ...row, last_at, skipped: row.skipped + 1, status: 'skipped', skipped_at: at }
      case 'StepReopened':
        return { ...row, last_at, reopened: row.reopened + 1, status: 'open' }
      case 'StepCompleted':
        return {
          ...row,
          last_at,
          status: 'completed',
          submitted: row.submitted + 1,
          first_completed_at: row.first_completed_at ?? at,
          last_completed_at: at,
          duration_ms:
            row.submitted > 0 ? row.duration_ms : took(row.first_started_at ?? session.moved_at, at),
        }
    }
  },
  tallies: [stepStatistics, stepTimes],
}

function untouched(event: Event, session: SessionRow): StepRow {
  return {
    tenant: session.tenant,
    session_id: session.id,
    step_id: event.data.stepId,
    flow_id: session.flow_id,
    status: 'open',
    first_started_at: null,
    first_completed_at: null,
    last_completed_at: null,
    skipped_at: null,
    last_at: event.metadata.occurredAt,
    started: 0,
    saved: 0,
    submitted: 0,
    failed_validations: 0,
    skipped: 0,
    reopened: 0,
    duration_ms: null,
  }
}

function took(from: string | null, to: string): number | null {
  if (from === null) return null
  const milliseconds = millisecondsOf(to) - millisecondsOf(from)
  return milliseconds < 0 ? null : milliseconds
}
