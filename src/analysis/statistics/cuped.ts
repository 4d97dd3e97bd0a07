import type { Effect, Scale } from './effect.ts'
import type { Moments } from './moments.ts'
import type { Sample } from './sample.ts'

/**
 * CUPED (Deng, Xu, Kohavi & Walker 2013): what was known of a unit before it was exposed takes its share of the noise out
 * of the outcome.
 *
 * An arm seen as outcome `y` and covariate `x`: their means over n units and their sums of squared deviations and
 * products. `ddof` divides them: 1, or 0 where population variances are wanted.
 */
export interface OutcomeWithCovariate {
  readonly n: number
  readonly y: number
  readonly x: number
  readonly yy: number
  readonly xx: number
  readonly xy: number
  readonly ddof: 0 | 1
}

export interface Cuped {
  readonly theta: number
  /** Share of the outcome's variance that went, both arms together: the squared correlation. */
  readonly varianceReduction: number
  readonly control: Sample
  readonly treatment: Sample
}

export const meanWithCovariate = ({ n, m, x, mm, xx, mx }: Moments): OutcomeWithCovariate => ({
  n,
  y: m,
  x,
  yy: mm,
  xx,
  xy: mx,
  ddof: 1,
})

/**
 * A ratio metric linearised about the arm's own ratio, R + (m − R·d) / mean(d) (Deng, Knoblich & Lu 2018), so that a
 * covariate can be regressed out of it.
 */
export function ratioWithCovariate({ n, m, d, x, mm, dd, xx, md, mx, dx }: Moments): OutcomeWithCovariate {
  const ratio = m / d
  return {
    n,
    y: ratio,
    x,
    yy: (mm - 2 * ratio * md + ratio * ratio * dd) / (d * d),
    xx,
    xy: (mx - ratio * dx) / d,
    ddof: 1,
  }
}

/**
 * Adjusts both arms with one theta = cov(y, x) / var(x) over the rows of both together; each arm's mean moves by
 * theta times how far its covariate is from the common mean. A covariate that does not vary changes nothing.
 */
export function cuped(control: OutcomeWithCovariate, treatment: OutcomeWithCovariate): Cuped {
  const together = merge(control, treatment)
  const theta = together.xx > 0 && together.yy > 0 ? together.xy / together.xx : 0
  return {
    theta,
    varianceReduction: theta === 0 ? 0 : (theta * together.xy) / together.yy,
    control: adjusted(control, theta, together.x),
    treatment: adjusted(treatment, theta, together.x),
  }
}

/** An arm after adjustment with `theta`, its covariate centred at `centre`. */
export function adjusted(arm: OutcomeWithCovariate, theta: number, centre: number): Sample {
  const squares = arm.yy - 2 * theta * arm.xy + theta * theta * arm.xx
  return {
    n: arm.n,
    mean: arm.y - theta * (arm.x - centre),
    variance: arm.n > 1 ? squares / (arm.n - arm.ddof) : Number.NaN,
  }
}

/**
 * The effect after adjustment. The lift is over the control's unadjusted mean, and its variance holds the terms that
 * theta shares with it; the covariates' means are taken as equal there, as assignment by chance makes them.
 */
export function cupedEffect(
  control: OutcomeWithCovariate,
  treatment: OutcomeWithCovariate,
  theta: number,
  scale: Scale,
): Effect {
  const a = adjusted(control, theta, 0)
  const b = adjusted(treatment, theta, 0)
  const varianceA = a.variance / a.n
  const varianceB = b.variance / b.n
  const df = (varianceA + varianceB) ** 2 / (varianceA ** 2 / (a.n - 1) + varianceB ** 2 / (b.n - 1))
  const n = a.n + b.n
  const difference = b.mean - a.mean
  if (scale === 'absolute')
    return { estimate: difference, standardError: Math.sqrt(varianceA + varianceB), df, n }
  const ratio = treatment.y / control.y
  const divisor = control.n - control.ddof
  const relativeA =
    (ratio * ratio * control.yy - 2 * theta * ratio * control.xy + theta * theta * control.xx) /
    divisor /
    control.n
  return {
    estimate: difference / Math.abs(control.y),
    standardError: Math.sqrt(varianceB + relativeA) / Math.abs(control.y),
    df,
    n,
  }
}

function merge(a: OutcomeWithCovariate, b: OutcomeWithCovariate): OutcomeWithCovariate {
  const n = a.n + b.n
  const share = b.n / n
  const weight = a.n * share
  const stepY = b.y - a.y
  const stepX = b.x - a.x
  return {
    n,
    y: a.y + stepY * share,
    x: a.x + stepX * share,
    yy: a.yy + b.yy + stepY * stepY * weight,
    xx: a.xx + b.xx + stepX * stepX * weight,
    xy: a.xy + b.xy + stepX * stepY * weight,
    ddof: a.ddof,
  }
}
