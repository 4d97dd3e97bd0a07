import { withExclusions } from './exclusions.ts'
import type { FunnelPlan } from './funnelPlan.ts'
import { ordered } from './optional.ts'
import { orderedAny, orderedFirst } from './ordered.ts'
import type { Evaluator } from './outcome.ts'
import { strict, strictTied } from './strict.ts'
import { tablesOf } from './tables.ts'
import { tiedAny, tiedFirst } from './tied.ts'
import { unordered } from './unordered.ts'

/** The evaluator for a plan's order, entry, ties and exclusions. */
export function evaluatorOf(plan: FunnelPlan): Evaluator {
  const tables = tablesOf(plan)
  const terms = { window: plan.window, from: plan.from, to: plan.to }
  const anyEntry = plan.entry === 'any'
  const tied = plan.ties === 'any'
  const grace = plan.options.tieGraceMs ?? 0
  const { options } = plan
  switch (plan.order) {
    case 'unordered':
      return unordered(tables, terms, anyEntry, tied)
    case 'strict':
      return tied
        ? strictTied(tables, terms, anyEntry, grace)
        : strict(tables, terms, anyEntry, options.tolerateRepeats ?? false)
    case 'ordered': {
      if (options.reuseEvents || options.strictIncrease || options.stepWindowMs !== undefined) {
        return ordered(tables, terms, plan)
      }
      const evaluate = tied
        ? (anyEntry ? tiedAny : tiedFirst)(tables, terms, grace)
        : (anyEntry ? orderedAny : orderedFirst)(tables, terms)
      return plan.exclusions.length === 0 ? evaluate : withExclusions(evaluate, plan, tables, terms)
    }
  }
}
