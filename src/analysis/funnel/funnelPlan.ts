import { sharedInt32 } from '../columns/growable.ts'
import { type Coding, codeFilters } from '../plan/coding.ts'
import { groupsOf, segmentMask } from '../plan/groups.ts'
import type { AnalysisSource } from '../plan/source.ts'
import type { CheckedFunnel, FunnelEntry, FunnelOrder, FunnelTies } from './funnelQuery.ts'

/**
 * A funnel ready to be run: filters resolved to codes, groups to numbers. Numbers and shared arrays only, so that a worker thread can
 * take it; another engine could run it from the checked query just as well.
 */
export interface FunnelPlan {
  readonly kind: 'funnel'
  /** The steps' filters, then the exclusions'. */
  readonly coding: Coding
  readonly steps: number
  readonly order: FunnelOrder
  readonly entry: FunnelEntry
  readonly ties: FunnelTies
  /** ms, inclusive; ∞ without */
  readonly window: number
  readonly exclusions: readonly { readonly from: number; readonly to: number }[]
  readonly from: number
  readonly to: number
  readonly asOf: number
  /** Whether some event is later than asOf. */
  readonly cut: boolean
  /** The group of each unit, −1 for those left out; null when all are in group 0. */
  readonly groupOf: Int32Array | null
  readonly groups: number
  readonly units: number
  readonly options: FunnelOptions
}

/** Rules beyond the HTTP surface, for comparing with other systems. */
export interface FunnelOptions {
  /** strict: a repeat of the step just done does not break the chain (ClickHouse `strict_order`) */
  readonly tolerateRepeats?: boolean
  /** ties: any: events up to this many ms apart count as simultaneous */
  readonly tieGraceMs?: number
  /** one event may fill several steps (ClickHouse `windowFunnel` as it comes) */
  readonly reuseEvents?: boolean
  /** each step must come later than the one before, not merely after it (ClickHouse `strict_increase`) */
  readonly strictIncrease?: boolean
  /** each step within this many ms of the one before */
  readonly stepWindowMs?: number
}

export interface PlannedFunnel {
  readonly plan: FunnelPlan
  /** What the groups stand for; [undefined] without a breakdown. */
  readonly values: readonly unknown[]
}

export function planFunnel(
  funnel: CheckedFunnel,
  source: AnalysisSource,
  warn: (message: string) => void,
  options: FunnelOptions = {},
): PlannedFunnel {
  const view = source.index.view(funnel.unit)
  const filters = [...funnel.steps, ...funnel.exclusions.map(({ filter }) => filter)]
  const groups = funnel.breakdown ? groupsOf(funnel.breakdown, source, view, funnel.asOf) : null
  const mask = segmentMask(funnel.segment, source, funnel.unit, funnel.asOf)
  return {
    plan: {
      kind: 'funnel',
      coding: codeFilters(filters, source.index, view, funnel.asOf, warn),
      steps: funnel.steps.length,
      order: funnel.order,
      entry: funnel.entry,
      ties: funnel.ties,
      window: funnel.window,
      exclusions: funnel.exclusions.map(({ from, to }) => ({ from, to })),
      from: funnel.from,
      to: funnel.to,
      asOf: funnel.asOf,
      cut: view.newest > funnel.asOf,
      groupOf: restrict(groups?.of ?? null, mask, view.units),
      groups: groups?.values.length ?? 1,
      units: view.units,
      options,
    },
    values: groups?.values ?? [undefined],
  }
}

/** The groups, with units outside the mask left out. */
export function restrict(of: Int32Array | null, mask: Uint8Array | null, units: number): Int32Array | null {
  if (!mask) return of
  const restricted = sharedInt32(units)
  for (let u = 0; u < units; u++) restricted[u] = mask[u] ? (of ? of[u]! : 0) : -1
  return restricted
}
