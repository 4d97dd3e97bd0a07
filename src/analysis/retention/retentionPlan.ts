import { restrict } from '../funnel/funnelPlan.ts'
import { type Coding, codeFilters } from '../plan/coding.ts'
import { segmentMask } from '../plan/groups.ts'
import type { AnalysisSource } from '../plan/source.ts'
import type { Period, Weekday } from './calendar.ts'
import type { Bracket, CheckedRetention } from './retentionQuery.ts'
import { type Zone, zoneBetween } from './zone.ts'

/** A retention ready to be run. Numbers and shared arrays only, so that a worker thread can take it. */
export interface RetentionPlan {
  readonly kind: 'retention'
  /** cohortBy, then returnBy. */
  readonly coding: Coding
  readonly period: Period
  readonly brackets: readonly Bracket[]
  readonly rolling: boolean
  readonly onOrAfter: boolean
  readonly zone: Zone
  /** The zone's offset at asOf, ms. */
  readonly asOfOffset: number
  /** The earliest and the latest time of an event that is seen, ms. */
  readonly oldest: number
  readonly newest: number
  readonly weekStart: Weekday
  readonly asOf: number
  /** −1 for units left out; null when all are in. */
  readonly groupOf: Int32Array | null
  readonly options: RetentionOptions
}

/** Rules beyond the HTTP surface, for comparing with other systems. */
export interface RetentionOptions {
  /** every period in which a unit did cohortBy is a cohort of theirs, not only the first */
  readonly recurring?: boolean
  /** rolling24h: times are first floored to the hour (Amplitude) */
  readonly floorToHour?: boolean
  /** the cohort event is not its own return in period 0 */
  readonly othersOnly?: boolean
}

export function planRetention(
  retention: CheckedRetention,
  source: AnalysisSource,
  warn: (message: string) => void,
  options: RetentionOptions = {},
): RetentionPlan {
  const { unit, asOf, timezone } = retention
  const view = source.index.view(unit)
  const oldest = Math.min(source.index.oldest, asOf)
  const newest = Math.max(oldest, Math.min(view.newest, asOf))
  const mask = segmentMask(retention.segment, source, unit, asOf)
  return {
    kind: 'retention',
    coding: codeFilters([retention.cohortBy, retention.returnBy], source.index, view, asOf, warn),
    period: retention.period,
    brackets: retention.brackets,
    rolling: retention.clock === 'rolling24h',
    onOrAfter: retention.mode === 'onOrAfter',
    zone: zoneBetween(timezone, oldest, newest),
    asOfOffset: zoneBetween(timezone, asOf, asOf).offset[0]!,
    oldest,
    newest,
    weekStart: retention.weekStart,
    asOf,
    groupOf: restrict(null, mask, view.units),
    options,
  }
}
