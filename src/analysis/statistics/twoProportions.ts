import type { Interval } from './interval.ts'
import { normalTwoSided, twoSidedCritical } from './normal.ts'

export interface Count {
  readonly x: number
  readonly n: number
}

export interface TwoProportionTest {
  /** Treatment minus control. */
  readonly difference: number
  /** By the pooled variance: what equal rates predict. Equals the chi-square test without Yates. */
  readonly z: number
  readonly p: number
  readonly standardErrorPooled: number
  /** By the unpooled variance. */
  readonly zUnpooled: number
  readonly pUnpooled: number
  readonly standardError: number
  /** Unpooled. It may disagree with `p` close to alpha: the two answer slightly different questions. */
  readonly wald: Interval
  /** Hybrid score interval (Newcombe 1998, method 10); keeps its level for small counts and rates near 0 and 1. */
  readonly newcombe: Interval
}

/** Two proportions, treatment against control. */
export function twoProportionTest(control: Count, treatment: Count, alpha = 0.05): TwoProportionTest {
  const a = control.x / control.n
  const b = treatment.x / treatment.n
  const difference = b - a
  const pooled = (control.x + treatment.x) / (control.n + treatment.n)
  const standardErrorPooled = Math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n))
  const standardError = Math.sqrt((a * (1 - a)) / control.n + (b * (1 - b)) / treatment.n)
  const z = difference === 0 ? 0 : difference / standardErrorPooled
  const zUnpooled = difference === 0 ? 0 : difference / standardError
  const critical = twoSidedCritical(alpha)
  const [lowA, highA] = wilson(control, alpha)
  const [lowB, highB] = wilson(treatment, alpha)
  return {
    difference,
    z,
    p: normalTwoSided(z),
    standardErrorPooled,
    zUnpooled,
    pUnpooled: normalTwoSided(zUnpooled),
    standardError,
    wald: [difference - critical * standardError, difference + critical * standardError],
    newcombe: [difference - Math.hypot(b - lowB, highA - a), difference + Math.hypot(highB - b, a - lowA)],
  }
}

/** Wilson's score interval of one proportion (Wilson 1927). NaN bounds where n is 0. */
export function wilson({ x, n }: Count, alpha = 0.05): Interval {
  const z = twoSidedCritical(alpha)
  const square = z * z
  const centre = (x + square / 2) / (n + square)
  const half = (z * Math.sqrt((x * (n - x)) / n + square / 4)) / (n + square)
  // At the edges the bounds are exactly 0 and 1; rounding must not carry them past.
  return [x === 0 ? 0 : centre - half, x === n ? 1 : centre + half]
}
