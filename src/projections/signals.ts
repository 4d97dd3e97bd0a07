import type { RecordedEvent } from '../domain/envelope.ts'
import type { SessionEventOf } from '../domain/sessionEvents.ts'
import { addDecimals, decimalOf } from './decimal.ts'
import type { Projection } from './projection.ts'
import type { SessionRow } from './sessionRow.ts'
import { sessions } from './sessions.ts'

export interface SignalRow {
  readonly tenant: string
  readonly flow_id: string
  readonly signal: string
  readonly day: string
  readonly tracked: number
  readonly valued: number
  readonly sum: string
  readonly least: number | null
  readonly greatest: number | null
}

type Event = RecordedEvent<SessionEventOf<'SignalTracked'>>

export const signals: Projection<SignalRow, Event, SessionRow> = {
  name: 'signals',
  version: 1,
  types: ['SignalTracked'],
  parent: sessions as never,
  merge: { tracked: 'sum', valued: 'sum', sum: 'sum', least: 'min', greatest: 'max' },
  table: {
    description: 'How often a signal was tracked in a flow on a day, and what its values came to.',
    columns: {
      tenant: 'text',
      flow_id: 'text',
      signal: 'text',
      day: 'date',
      tracked: 'bigint',
      valued: 'bigint',
      sum: 'numeric',
      least: 'double precision',
      greatest: 'double precision',
    },
    about: {
      tenant: 'Tenant.',
      flow_id: 'Flow.',
      signal: 'The type of the signal.',
      day: 'Day of what happened, in UTC.',
      tracked: 'How often it was tracked.',
      valued: 'How often with a value.',
      sum: 'Exact total of the values.',
      least: 'The least value; null without any.',
      greatest: 'The greatest value; null without any.',
    },
    key: ['tenant', 'flow_id', 'signal', 'day'],
  },
  key: (event, session) => {
    if (!session) throw new Error('SignalTracked before its session began')
    return [session.tenant, session.flow_id, event.data.signal, dayOf(event.metadata.occurredAt)]
  },
  evolve: (found, event, session) => {
    const { signal, value } = event.data
    const row = found ?? {
      tenant: event.metadata.tenant,
      flow_id: session!.flow_id,
      signal,
      day: dayOf(event.metadata.occurredAt),
      tracked: 0,
      valued: 0,
      sum: '0',
      least: null,
      greatest: null,
    }
    if (value === undefined) return { ...row, tracked: row.tracked + 1 }
    return {
      ...row,
      tracked: row.tracked + 1,
      valued: row.valued + 1,
      sum: addDecimals(row.sum, decimalOf(value)),
      least: row.least === null ? value : Math.min(row.least, value),
      greatest: row.greatest === null ? value : Math.max(row.greatest, value),
    }
  },
}

/** `2011-09-30`; years past 9999 have a sign and more digits. */
function dayOf(at: string): string {
  return at.slice(0, at.indexOf('T'))
}
