import { queryFunnel } from '../../analysis/funnel/funnel.ts'
import { checkFunnel } from '../../analysis/funnel/funnelQuery.ts'
import { parseTime } from '../../analysis/plan/duration.ts'
import { type Fault, Faults } from '../../analysis/plan/fault.ts'
import type { AnalysisSource } from '../../analysis/plan/source.ts'
import { postgresOfIso } from '../postgresTime.ts'
import { type Queryable, query } from '../query.ts'
import { type FunnelUnitRow, funnelOfUnits } from './funnelOfUnits.ts'
import type { Bounds } from './messages.ts'
import type { Definition } from './state.ts'

export interface Bounded {
  readonly tenant: string
  readonly definition: Definition
  /** The whole kept answer. */
  readonly answer: Record<string, unknown>
  readonly bounds: Bounds
}

export function boundsFaults({ from, to }: Bounds): readonly Fault[] {
  const faults = new Faults()
  if (from !== undefined) parseTime(from, faults.at('from'))
  if (to !== undefined) parseTime(to, faults.at('to'))
  return faults.list
}

/**
 * A kept answer within bounds: funnels by when units entered, retentions by when cohorts start. It is made of the rows that are kept a
 * unit or a cell; only a funnel that tries every entry is asked of the index, since another entry may count within bounds.
 */
export async function boundedAnswer(
  db: Queryable,
  bounded: Bounded,
  source: AnalysisSource,
): Promise<object> {
  switch (bounded.definition.kind) {
    case 'funnel':
      return boundedFunnel(db, bounded, source)
    case 'retention':
      return boundedRetention(bounded)
    case 'segment':
      return bounded.answer
  }
}

async function boundedFunnel(db: Queryable, bounded: Bounded, source: AnalysisSource): Promise<object> {
  const { tenant, definition, answer, bounds } = bounded
  const within = { ...definition.definition, asOf: answer.asOf, ...narrowed(definition.definition, bounds) }
  const checked = checkFunnel(within, source)
  // Bounds that leave nothing open are no fault here: nobody entered between them.
  const nothing = 'faults' in checked
  if (!nothing && checked.funnel.entry === 'any') {
    const outcome = queryFunnel(within, source)
    if ('answer' in outcome) return { ...outcome.answer, definitionHash: answer.definitionHash }
  }
  const whole = checkFunnel({ ...definition.definition, asOf: answer.asOf }, source)
  if ('faults' in whole) return answer
  const began = performance.now()
  const { from, to } = nothing ? { from: 0, to: 0 } : checked.funnel
  const rows = await query<FunnelUnitRow>(db, UNITS, [tenant, definition.key, limit(from), limit(to)])
  const computed = funnelOfUnits(whole.funnel, rows)
  return { ...answer, ...computed, computeMs: Math.round((performance.now() - began) * 1000) / 1000 }
}

const UNITS = `
select (extract(epoch from entered_at) * 1000)::double precision as entered, reached, excluded, unclear,
       group_number as group, value, after_ms as after
  from read.funnel_units
 where tenant = $1 and key = $2
   and ($3::timestamptz is null or entered_at >= $3) and ($4::timestamptz is null or entered_at < $4)
 order by unit_number`

const limit = (ms: number) => (Number.isFinite(ms) ? postgresOfIso(new Date(ms).toISOString()) : null)

/** The narrower of the definition's bounds and those asked for. */
function narrowed({ from, to }: { from?: unknown; to?: unknown }, bounds: Bounds): Bounds {
  const later = [from, bounds.from].filter((time): time is string => typeof time === 'string').sort(byTime)
  const earlier = [to, bounds.to].filter((time): time is string => typeof time === 'string').sort(byTime)
  return {
    ...(later.length > 0 && { from: later.at(-1)! }),
    ...(earlier.length > 0 && { to: earlier[0]! }),
  }
}

const byTime = (a: string, b: string) => Date.parse(a) - Date.parse(b)

interface KeptCohort {
  readonly start: string
  readonly cells: readonly { readonly period: number; readonly returned: number; readonly eligible: number }[]
}

/** The cohorts whose local date is within the bounds, and averages over them. */
function boundedRetention({ answer, bounds }: Bounded): object {
  const from = bounds.from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(bounds.from)
  const to = bounds.to === undefined ? Number.POSITIVE_INFINITY : Date.parse(bounds.to)
  const cohorts = (answer.cohorts as readonly KeptCohort[]).filter(({ start }) => {
    const began = Date.parse(start.length > 10 ? `${start}Z` : start)
    return began >= from && began < to
  })
  const average = (answer.average as readonly { period: number }[]).map(({ period }) => {
    let returned = 0
    let eligible = 0
    for (const cell of cohorts.flatMap(({ cells }) => cells)) {
      if (cell.period !== period) continue
      returned += cell.returned
      eligible += cell.eligible
    }
    return { period, rate: eligible === 0 ? null : returned / eligible }
  })
  return { ...answer, cohorts, average }
}
