import { bucketStart, durationBucket } from './durationBuckets.ts'
import type { Tally } from './projection.ts'
import type { SessionRow } from './sessionRow.ts'

export const flowStatistics: Tally<SessionRow> = {
  name: 'flow_statistics',
  table: {
    description: 'How many sessions of a flow stand how.',
    columns: {
      tenant: 'text',
      flow_id: 'text',
      active: 'bigint',
      paused: 'bigint',
      completed: 'bigint',
      abandoned: 'bigint',
    },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      active: 'Sessions that are active.',
      paused: 'Sessions that are paused.',
      completed: 'Sessions that are completed.',
      abandoned: 'Sessions that were given up, or where nothing happened for too long.',
    },
    key: ['tenant', 'flow_id'],
  } as never,
  of: ({ tenant, flow_id, status }) => [{ key: [tenant, flow_id], add: STANDINGS[status] }],
}

const STANDINGS = {
  active: [1, 0, 0, 0],
  paused: [0, 1, 0, 0],
  completed: [0, 0, 1, 0],
  abandoned: [0, 0, 0, 1],
} as const

export const flowTimes: Tally<SessionRow> = {
  name: 'flow_times',
  table: {
    description: 'How many completed sessions of a flow took how long, in buckets at most 6.3 % wide.',
    columns: { tenant: 'text', flow_id: 'text', bucket: 'integer', sessions: 'bigint' },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      bucket: `Number of the bucket; the first milliseconds of buckets 15, 16, 100 and 300 are ${[15, 16, 100, 300].map(bucketStart).join(', ')}.`,
      sessions: 'Completed sessions whose `duration_ms` is in the bucket.',
    },
    key: ['tenant', 'flow_id', 'bucket'],
  } as never,
  of: ({ tenant, flow_id, duration_ms }) =>
    duration_ms === null ? [] : [{ key: [tenant, flow_id, durationBucket(duration_ms)], add: [1] }],
}
