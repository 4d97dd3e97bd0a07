import { type Envelope, envelope, type Outcome } from '../plan/envelope.ts'
import type { Fault } from '../plan/fault.ts'
import type { AnalysisSource } from '../plan/source.ts'
import { largestGroups } from './breakdown.ts'
import { executeFunnel, type FunnelCounts } from './execute.ts'
import { durationTimes, type FunnelRow, funnelRows, together } from './funnelAnswer.ts'
import { type FunnelOptions, type FunnelPlan, planFunnel } from './funnelPlan.ts'
import { type CheckedFunnel, checkFunnel } from './funnelQuery.ts'

export interface FunnelAnswer {
  readonly steps: readonly FunnelRow[]
  readonly breakdowns: readonly { readonly value: unknown; readonly steps: readonly FunnelRow[] }[]
  /** Units that an exclusion took out of every step. */
  readonly excluded: number
}

/** Answers a funnel in this thread, or tells every fault of the query. */
export function queryFunnel(
  query: unknown,
  source: AnalysisSource,
  options: FunnelOptions = {},
): Outcome<FunnelAnswer> {
  const prepared = prepareFunnel(query, source, options)
  if ('faults' in prepared) return prepared
  return { answer: prepared.answer(executeFunnel(prepared.plan)) }
}

interface PreparedFunnel {
  readonly plan: FunnelPlan
  readonly answer: (counts: FunnelCounts) => FunnelAnswer & Envelope
}

/** Checks and plans a funnel; what remains is to run the plan and hand the counts to `answer`. */
export function prepareFunnel(
  query: unknown,
  source: AnalysisSource,
  options: FunnelOptions = {},
): PreparedFunnel | { readonly faults: readonly Fault[] } {
  const began = performance.now()
  const checked = checkFunnel(query, source)
  if ('faults' in checked) return checked
  const { funnel } = checked
  const warnings = new Set<string>()
  const warn = (message: string) => warnings.add(message)
  const planned = largestGroups(planFunnel(funnel, source, warn, options), warn)
  const { position } = source.index
  for (const message of unseen(funnel, source)) warn(message)
  return {
    plan: planned.plan,
    answer: (counts) => {
      const { unclear } = counts
      if (unclear > 0) warn(`${unclear} units have too many simultaneous events to try every order of them`)
      return {
        ...funnelOf(funnel, planned, counts),
        ...envelope({ query, asOf: funnel.asOf, position, began, warnings, exact: unclear === 0 }),
      }
    },
  }
}

/** The funnel that counts come to; `values` are what its groups stand for. */
export function funnelOf(
  funnel: CheckedFunnel,
  { plan, values }: { plan: Pick<FunnelPlan, 'steps' | 'groups'>; values: readonly unknown[] },
  counts: FunnelCounts,
): FunnelAnswer {
  const times = durationTimes(counts, { groups: plan.groups, window: funnel.window })
  const steps = funnelRows(funnel, together(counts, plan.steps), times.all, 0)
  const { excluded } = counts
  if (!funnel.breakdown) return { steps, breakdowns: [], excluded }
  const breakdowns = values
    .map((value, group) => ({ value, steps: funnelRows(funnel, counts, times.of[group]!, group) }))
    .filter((breakdown) => breakdown.steps[0]!.count > 0)
    .sort((a, b) => b.steps[0]!.count - a.steps[0]!.count)
  return { steps, breakdowns, excluded }
}

/** Signals nobody ever tracked may be slips of the pen. */
function unseen({ steps, exclusions }: CheckedFunnel, { index }: AnalysisSource): string[] {
  return [...steps, ...exclusions.map(({ filter }) => filter)].flatMap(({ filter }) =>
    'signal' in filter && index.codes.find('signal', filter.signal) === undefined
      ? [`no signal ${filter.signal} was ever tracked`]
      : [],
  )
}
