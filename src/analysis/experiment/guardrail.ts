import type { Interval } from '../statistics/interval.ts'
import type { MetricSpec } from './spec.ts'

/**
 * `held`: at worst the margin (non-inferior); `harmed`: worse than the margin for sure; `open`: the interval still holds
 * both. Without a margin (or 0)
 * there is nothing to be non-inferior to: held until harm shows.
 */
export type GuardrailVerdict = 'held' | 'harmed' | 'open'

/** Judges a guardrail by the interval of treatment minus control (Wellek 2010: both bounds at 1 − alpha, two-sided). */
export function judgeGuardrail(ci: Interval | null, { direction, margin }: MetricSpec): GuardrailVerdict {
  const allowed = -(margin ?? 0)
  if (ci === null) return allowed === 0 ? 'held' : 'open'
  const [worst, best] = direction === 'increase' ? ci : [-ci[1], -ci[0]]
  if (best < allowed) return 'harmed'
  return allowed === 0 || worst > allowed ? 'held' : 'open'
}
