import type { RecordedEvent } from '../domain/envelope.ts'
import type { SessionEvent } from '../domain/sessionEvents.ts'
import { millisecondsOf } from '../domain/time.ts'
import { flowStatistics, flowTimes } from './flowTallies.ts'
import type { Projection } from './projection.ts'
import type { SessionRow } from './sessionRow.ts'
import { streamId } from './streamId.ts'

type Event = RecordedEvent<SessionEvent>

export const sessions: Projection<SessionRow, Event> = {
  name: 'sessions',
  version: 2,
  partitions: 4,
  types: [
    'SessionStarted',
    'StepStarted',
    'StepSaved',
    'StepCompleted',
    'StepValidationFailed',
    'StepSkipped',
    'StepReopened',
    'MilestoneReached',
    'SessionPaused',
    'SessionResumed',
    'SessionCompleted',
    'SessionAbandoned',
    'ConditionFailed',
    'DifficultyDetected',
    'SignalTracked',
    'AttributesRecorded',
    'ExposureRecorded',
    'SessionMigrated',
  ],
  table: {
    description: 'One row a session: whose it is, how it stands and since when.',
    columns: {
      tenant: 'text',
      id: 'text',
      user_id: 'text',
      flow_id: 'text',
      flow_version: 'integer',
      status: 'text',
      imported: 'boolean',
      started_at: 'timestamptz',
      last_activity_at: 'timestamptz',
      moved_at: 'timestamptz',
      completed_at: 'timestamptz',
      abandoned_at: 'timestamptz',
      estimated_completion: 'timestamptz',
      milestone: 'integer',
      duration_ms: 'bigint',
      idle_hour: 'integer',
      revision: 'integer',
    },
    about: {
      tenant: 'Tenant.',
      id: 'Session.',
      user_id: 'Whose it is; null when an import did not say.',
      flow_id: 'Flow.',
      flow_version: 'Version of the flow that it is on, after any migration.',
      status: '`active`, `paused`, `completed` or `abandoned`.',
      imported: 'Whether a history import began it.',
      started_at: 'When it began; of an imported one, the earliest that is known to have happened.',
      last_activity_at: 'When somebody last did something in it.',
      moved_at:
        'When it last moved on: its beginning, a resumption, or the last completion or skip of any step. Null while nothing of an imported one did.',
      completed_at: 'When it was last completed.',
      abandoned_at: 'When it was last abandoned.',
      estimated_completion: 'When it was last thought to be done; null once it has ended.',
      milestone: 'The highest milestone reached, 0 before the first.',
      duration_ms: 'From `started_at` to `completed_at`, in milliseconds; null unless completed.',
      idle_hour:
        'Hour of `last_activity_at` since 1970, while inactivity may end the session; null for what is not active or was imported.',
      revision: 'Of its last event that is counted here.',
    },
    key: ['tenant', 'id'],
    indexes: [
      '(tenant, started_at, id)',
      '(tenant, flow_id, started_at, id)',
      '(tenant, left(user_id, 100), started_at, id)',
      '(tenant, flow_id, duration_ms) where duration_ms is not null',
      '(tenant, flow_id, flow_version, idle_hour) where idle_hour is not null',
    ],
  },
  key: (event) => [event.metadata.tenant, streamId(event.stream)],
  evolve: (row, event) => {
    const at = event.metadata.occurredAt
    if (event.type === 'SessionStarted') return begun(row, event)
    if (!row) throw new Error(`${event.type} before its session began`)
    switch (event.type) {
      case 'StepStarted':
      case 'StepSaved':
      case 'StepValidationFailed':
      case 'SignalTracked':
      case 'ExposureRecorded':
        return active(row, event)
      case 'StepReopened':
        return active(row, event, { estimated_completion: estimated(row, event) })
      case 'StepCompleted':
      case 'StepSkipped':
        return active(row, event, {
          estimated_completion: estimated(row, event),
          moved_at: latest(row.moved_at, at),
        })
      case 'SessionPaused':
        return active(row, event, { status: 'paused' })
      case 'SessionResumed':
        return active(row, event, {
          status: 'active',
          estimated_completion: estimated(row, event),
          moved_at: latest(row.moved_at, at),
        })
      case 'SessionCompleted':
        return active(row, event, { status: 'completed', completed_at: at, estimated_completion: null })
      case 'SessionAbandoned': {
        const end = { status: 'abandoned', abandoned_at: at, estimated_completion: null } as const
        return event.data.reason === 'inactivity' ? settled(row, event, end) : active(row, event, end)
      }
      case 'AttributesRecorded':
        return active(row, event, { user_id: event.data.userId ?? row.user_id })
      case 'MilestoneReached':
        return settled(row, event, { milestone: Math.max(row.milestone, event.data.milestone) })
      case 'ConditionFailed':
      case 'DifficultyDetected':
        return settled(row, event)
      case 'SessionMigrated':
        return settled(row, event, { flow_version: event.data.to })
    }
  },
  tallies: [flowStatistics, flowTimes],
}

function begun(row: SessionRow | undefined, event: Extract<Event, { type: 'SessionStarted' }>): SessionRow {
  if (row) throw new Error('the session has begun already')
  const { tenant, occurredAt } = event.metadata
  const { userId, flowId, flowVersion, imported, estimatedCompletion } = event.data
  return {
    tenant,
    id: streamId(event.stream),
    user_id: userId,
    flow_id: flowId,
    flow_version: flowVersion,
    status: 'active',
    imported: imported === true,
    started_at: occurredAt,
    last_activity_at: occurredAt,
    moved_at: imported ? null : occurredAt,
    completed_at: null,
    abandoned_at: null,
    estimated_completion: estimatedCompletion ?? null,
    milestone: 0,
    duration_ms: null,
    idle_hour: imported ? null : hourOf(occurredAt),
    revision: event.revision,
  }
}

/** Somebody did something. An import may tell it out of order: the latest time counts, and its earliest is the beginning. */
function active(row: SessionRow, event: Event, changes: Partial<SessionRow> = NO_CHANGES): SessionRow {
  const at = event.metadata.occurredAt
  return settle({
    ...row,
    ...changes,
    started_at: row.imported && at < row.started_at ? at : row.started_at,
    last_activity_at: latest(row.last_activity_at, at),
    revision: event.revision,
  })
}

/** Something became of the session by itself. */
function settled(row: SessionRow, event: Event, changes: Partial<SessionRow> = NO_CHANGES): SessionRow {
  return settle({ ...row, ...changes, revision: event.revision })
}

const NO_CHANGES = {}

/** What follows from the rest of the row. Takes a new one, and completes it in place. */
function settle(row: SessionRow): SessionRow {
  const settling = row as { -readonly [C in keyof SessionRow]: SessionRow[C] }
  settling.duration_ms =
    row.status === 'completed' && row.completed_at !== null
      ? Math.max(0, millisecondsOf(row.completed_at) - millisecondsOf(row.started_at))
      : null
  settling.idle_hour = row.status === 'active' && !row.imported ? hourOf(row.last_activity_at) : null
  return row
}

function estimated(
  row: SessionRow,
  event: { readonly data: { readonly estimatedCompletion?: string } },
): string | null {
  return event.data.estimatedCompletion ?? row.estimated_completion
}

export function latest(a: string | null, b: string): string {
  return a !== null && a > b ? a : b
}

function hourOf(at: string): number {
  return Math.floor(millisecondsOf(at) / 3_600_000)
}
